"""List the real data sets, or fetch some: python -m d2lmini.data [fetch NAME ...]"""

from d2lmini.data.fetch import main

if __name__ == "__main__":
    main()
