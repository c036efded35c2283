// The head explorer: brings every <figure class="d2l-heads"> to life that is not yet, so that copies of an
// output work too.  Key presses stay inside the menus: on a slide the arrows would turn the page.
document.querySelectorAll("figure.d2l-heads:not([data-alive])").forEach(function (view) {
  var carried = view.querySelector("script[type='application/json']");
  if (!carried) return;
  view.dataset.alive = "yes";
  var data = JSON.parse(carried.textContent), image = view.querySelector("img");
  var controls = document.createElement("div"), stage = document.createElement("div");
  var summary = document.createElement("p"), menus = {}, over = null;
  controls.style.cssText = "display:flex;flex-wrap:wrap;gap:0.3em 1em;align-items:center";
  stage.style.cssText = "display:flex;flex-wrap:wrap;gap:0.5em 2em;align-items:flex-start;background:#fff;color:#222";
  summary.style.cssText = "margin:0.3em 0;min-height:1.4em";
  summary.setAttribute("aria-live", "polite");
  function menu(name, start) {
    var label = document.createElement("label"), select = document.createElement("select");
    select.style.cssText = "font-size:inherit;max-width:22em;margin-left:0.4em";
    select.addEventListener("change", function () { fill(); draw(); });
    select.addEventListener("keydown", function (event) { event.stopPropagation(); });
    label.append(name, select);
    controls.append(label);
    select.setAttribute("aria-label", name);
    select.dataset.start = start;
    menus[name] = select;
  }
  function options(name, texts) {
    var select = menus[name], old = select.options.length ? select.selectedIndex : +select.dataset.start;
    select.replaceChildren.apply(select, texts.map(function (text, i) { return new Option(text, i); }));
    select.selectedIndex = Math.min(Math.max(old, 0), texts.length - 1);
  }
  function counted(word, n) {
    return Array.from({length: n}, function (_, i) { return word + (i + 1); });
  }
  function chosen(name) { return menus[name].selectedIndex; }
  function current() { return data.examples[chosen("sentence")].kinds[chosen("attention")]; }
  function fill() {
    options("sentence", data.examples.map(function (e) { return e.name; }));
    options("attention", data.examples[chosen("sentence")].kinds.map(function (k) { return k.kind; }));
    var shown = current();
    options("layer", counted("", shown.weights.length));
    options("head", counted("", shown.weights[0].length).concat(["mean of all"]));
    options("word", ["all words"].concat(shown.queries));
  }
  function weights() {
    var shown = current(), layer = shown.weights[chosen("layer")], head = chosen("head");
    if (head < layer.length) return layer[head];
    return shown.queries.map(function (_, q) { return shown.keys.map(function (_, k) {
      return layer.reduce(function (sum, h) { return sum + h[q][k]; }, 0) / layer.length;
    }); });
  }
  function element(parent, name, attributes, text) {
    var node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.keys(attributes).forEach(function (key) { node.setAttribute(key, attributes[key]); });
    if (text !== undefined) node.textContent = text;
    parent.append(node);
    return node;
  }
  function drawing(width, height, label) {
    var svg = element(stage, "svg", {width: width, height: height, viewBox: "0 0 " + width + " " + height,
      role: "img", "aria-label": label, "font-size": 16, fill: "#222"});
    svg.style.cssText = "max-width:100%;height:auto";
    return svg;
  }
  function colour(share) {  // cividis
    var stops = [[0, 34, 78], [65, 77, 107], [124, 123, 120], [188, 175, 111], [254, 232, 56]];
    var at = Math.min(share, 0.9999) * 4, i = Math.floor(at);
    return "rgb(" + stops[i].map(function (c, j) {
      return Math.round(c + (stops[i + 1][j] - c) * (at - i));
    }) + ")";
  }
  function draw() {
    var shown = current(), matrix = weights(), word = over === null ? chosen("word") - 1 : over;
    var row = 26, wide = 9.5, high = row * Math.max(shown.queries.length, shown.keys.length) + 34;
    var left = wide * Math.max.apply(null, shown.queries.map(function (w) { return w.length; })) + 14;
    var right = wide * Math.max.apply(null, shown.keys.map(function (w) { return w.length; })) + 14;
    stage.replaceChildren();
    var name = shown.kind + ", layer " + (chosen("layer") + 1) + ", head " + menus.head.selectedOptions[0].text;
    var lines = drawing(left + 190 + right, high, "lines from each query to the keys: " + name);
    element(lines, "text", {x: left, y: 16, "text-anchor": "end", "font-weight": "bold"}, "queries");
    element(lines, "text", {x: left + 190, y: 16, "font-weight": "bold"}, "keys");
    shown.queries.forEach(function (text, q) {
      if (word < 0 || word === q) matrix[q].forEach(function (weight, k) {
        if (weight >= 2) element(lines, "line", {x1: left + 8, x2: left + 182, y1: 43 + row * q, y2: 43 + row * k,
          stroke: "#1f5a96", "stroke-width": 4, "stroke-opacity": weight / 100});
      });
      var node = element(lines, "text", {x: left, y: 48 + row * q, "text-anchor": "end",
        "font-weight": word === q ? "bold" : "normal"}, text);
      node.style.cursor = "pointer";
      node.addEventListener("mouseenter", function () { over = q; draw(); });
      node.addEventListener("click", function () { menus.word.selectedIndex = q + 1; draw(); });
    });
    shown.keys.forEach(function (text, k) {
      element(lines, "text", {x: left + 190, y: 48 + row * k,
        "font-weight": word >= 0 && matrix[word][k] >= 30 ? "bold" : "normal"}, text);
    });
    lines.addEventListener("mouseleave", function () { over = null; draw(); });
    var cell = 26, top = right + 6;
    var grid = drawing(left + cell * shown.keys.length + 6, top + cell * shown.queries.length + 4,
      "matrix of weights, queries as rows: " + name);
    shown.keys.forEach(function (text, k) {
      var x = left + cell * k + 20;
      element(grid, "text", {transform: "translate(" + x + " " + (top - 6) + ") rotate(-90)"}, text);
    });
    shown.queries.forEach(function (text, q) {
      element(grid, "text", {x: left - 2, y: top + cell * q + 19, "text-anchor": "end",
        "font-weight": word === q ? "bold" : "normal"}, text);
      matrix[q].forEach(function (weight, k) {
        var box = element(grid, "rect", {x: left + 4 + cell * k, y: top + cell * q, width: cell - 1, height: cell - 1,
          fill: colour(weight / 100), "fill-opacity": word < 0 || word === q ? 1 : 0.35});
        element(box, "title", {}, text + " to " + shown.keys[k] + ": " + Math.round(weight) + " %");
      });
    });
    if (word < 0) summary.textContent = "Pick a word, or point at one on the left.";
    else summary.textContent = "\u201c" + shown.queries[word] + "\u201d looks at " + matrix[word]
      .map(function (weight, k) { return [weight, shown.keys[k]]; })
      .sort(function (a, b) { return b[0] - a[0]; }).slice(0, 3)
      .map(function (pair) { return pair[1] + " " + Math.round(pair[0]) + " %"; }).join(", ");
  }
  [["sentence", 0], ["attention", 0], ["layer", data.layer], ["head", data.head], ["word", 0]]
    .forEach(function (pair) { menu(pair[0], pair[1]); });
  image.replaceWith(controls, stage, summary);
  fill();
  draw();
});
