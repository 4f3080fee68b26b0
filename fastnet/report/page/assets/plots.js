// Draws with Plotly in the page's own colours: when a chart comes into view, and again when light changes to dark.
"use strict";

const Plots = (() => {
  const makers = {}; // name: function(div) that returns {data, layout}, or a sentence if there is nothing to draw
  const shown = new Set();
  const touch = matchMedia("(pointer: coarse)").matches; // where dragging scrolls the page

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // "--name" anywhere in a figure stands for the colour of that name.
  function colored(value) {
    if (typeof value === "string") return value.startsWith("--") ? color(value) : value;
    if (Array.isArray(value)) return value.length && typeof value[0] === "number" ? value : value.map(colored);
    if (value && typeof value === "object")
      return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, colored(part)]));
    return value;
  }

  const axis = (more) => ({
    gridcolor: "--grid", linecolor: "--line", zeroline: false, ticks: "outside", tickcolor: "--line", automargin: true,
    showline: true, exponentformat: "power", title: { standoff: 8 }, ...more,
  });

  const layout = (more) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 56, r: 14, t: 12, b: 48 },
    font: { color: "--ink", size: 12, family: getComputedStyle(document.body).fontFamily },
    hoverlabel: { bgcolor: "--raised", bordercolor: "--line", font: { color: "--ink", size: 12 }, align: "left" },
    dragmode: touch ? false : "zoom", showlegend: false, ...more,
  });

  // The look of a line, with a mark at each point that it does not show, because its neighbours are missing or equal.
  function lined(x, y) {
    const there = (k) => y[k] !== null && y[k] !== undefined;
    const apart = (a, b) => there(b) && (x[a] !== x[b] || y[a] !== y[b]);
    const sizes = y.map((_, k) => (there(k) && !apart(k, k - 1) && !apart(k, k + 1) ? 6 : 0));
    return sizes.some((size) => size) ? { mode: "lines+markers", marker: { size: sizes, opacity: 1, line: { width: 0 } } } : { mode: "lines" };
  }

  const config = { displayModeBar: false, displaylogo: false, responsive: true };

  function draw(div) {
    const made = makers[div.dataset.chart](div);
    shown.add(div);
    if (typeof made === "string") {
      div.className = "";
      div.innerHTML = "";
      div.removeAttribute("role");
      div.append(Object.assign(document.createElement("p"), { className: "none", textContent: made }));
      return;
    }
    Plotly.react(div, colored(made.data), colored(made.layout), { ...config, ...made.config });
  }

  function redraw() {
    for (const div of shown) draw(div);
    dispatchEvent(new Event("recolored"));
  }

  function start() {
    const waiting = new Set(document.querySelectorAll("[data-chart]"));
    const near = new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries)
        if (isIntersecting && waiting.delete(target)) { near.unobserve(target); draw(target); }
    }, { rootMargin: "600px" });
    waiting.forEach((div) => near.observe(div));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
    // On paper everything is drawn, and dark on light.
    addEventListener("beforeprint", () => {
      document.documentElement.classList.add("paper");
      waiting.forEach((div) => { near.unobserve(div); draw(div); });
      waiting.clear();
      redraw();
    });
    addEventListener("afterprint", () => { document.documentElement.classList.remove("paper"); redraw(); });
  }

  return { makers, color, colored, axis, layout, lined, config, start };
})();
