"""The small package behind the course: what one notebook builds and a later one needs."""
