// Starts the deck.  window.deckIsReady tells tests and the printer that the formulas are set.
MathJax = {
  tex: {
    inlineMath: [["$", "$"], ["\\(", "\\)"]],
    displayMath: [["$$", "$$"], ["\\[", "\\]"]],
    processEscapes: true,
    processEnvironments: true,
  },
  options: { enableMenu: false },
  svg: { fontCache: "global" },
  startup: { typeset: false },
};

// In a details element Space and Enter open an answer; they must not turn the page as well.
document.addEventListener("keydown", function (event) {
  if (event.target.closest && event.target.closest("summary") && /^( |Enter)$/.test(event.key)) {
    event.stopPropagation();
  }
}, true);

// Figures are drawn for a page; on a slide they may be larger, as far as it has room.
function enlarge(image) {
  const view = image.closest(".d2l-view"), room = view ? 480 : 520;
  const { naturalWidth: width, naturalHeight: height } = image;
  image.style.width = Math.min(1.5 * width, 1212, (room * width) / height) + "px";
}

window.addEventListener("load", async function () {
  await document.fonts.ready;
  // Formulas first: hidden slides have no size of their own to be measured in afterwards.
  for (const image of document.querySelectorAll("figure img")) enlarge(image);
  await MathJax.startup.promise;
  await MathJax.typesetPromise();
  await Reveal.initialize({
    width: 1280,
    height: 720,
    margin: 0,
    minScale: 0.1,
    maxScale: 4,
    center: false,
    hash: true,
    controls: true,
    controlsTutorial: false,
    progress: true,
    slideNumber: "c/t",
    transition: "none",
    backgroundTransition: "none",
    pdfSeparateFragments: false,
    pdfMaxPagesPerSlide: 1,
    plugins: [RevealNotes],
  });
  window.deckIsReady = true;
});
