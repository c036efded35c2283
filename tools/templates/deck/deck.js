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

// Figures are drawn for a page; on a slide they may be larger, as far as it has room: a wide one
// below its sentence, another beside it.
function enlarge(image) {
  const { naturalWidth: width, naturalHeight: height } = image;
  const body = image.closest(".beside .body"), wide = body && width > 2.1 * height;
  if (wide) body.classList.add("wide");
  const room = (wide ? 380 : 510) - (image.closest(".d2l-view") ? 40 : 0);
  image.style.width = Math.min(1.5 * width, body && !wide ? 700 : 1212, (room * width) / height) + "px";
}

// Code is as large as its longest line allows; where the notebook is cut up its pages are full.
function enlargeCode(pre) {
  const longest = Math.max(...pre.textContent.split("\n").map((line) => line.length));
  pre.style.fontSize = Math.max(20, Math.min(26, 1960 / longest)) + "px";
}

window.addEventListener("load", async function () {
  await document.fonts.ready;
  // Formulas first: hidden slides have no size of their own to be measured in afterwards.
  for (const image of document.querySelectorAll(".picture img")) enlarge(image);
  for (const pre of document.querySelectorAll(".lecture:not(.beside) pre")) enlargeCode(pre);
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
