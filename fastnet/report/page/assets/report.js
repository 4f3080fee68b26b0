// The charts of the report, its table and its buttons. All numbers come from the element "data".
"use strict";

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { points, axes, metric, lower } = data;
  const { axis, layout, lined, makers } = Plots;
  const word = `validation ${metric}`;
  const DONE = 0, STOPPED = 1, DIVERGED = 2;
  const escapeHtml = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const brief = (value) => (value === null || value === undefined ? "–" : String(+Number(value).toPrecision(4)));
  // A hyperparameter's value: small numbers by their power of ten.
  function plain(value) {
    if (typeof value !== "number") return String(value);
    const rounded = +value.toPrecision(3);
    return rounded !== 0 && Math.abs(rounded) < 1e-4 ? rounded.toExponential() : String(rounded);
  }
  const percent = (share) => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;

  // The text on a trial when pointed at.
  const hints = points.id.map((id, k) => {
    const status = ["", `stopped after ${points.epochs[k]} epochs`, "diverged"][points.status[k]];
    const lines = [`<b>trial ${id}</b>${points.place[k] ? `, Best-${points.place[k]}` : ""}`];
    lines.push(status === "diverged" ? status : `${word} ${brief(points.value[k])}${status && `, ${status}`}`);
    for (const { name, label } of axes) lines.push(`${escapeHtml(label)} ${escapeHtml(points.params[name][k])}`);
    return lines.join("<br>");
  });

  const all = points.id.map((_, k) => k);
  const finite = all.map((k) => points.value[k]).filter((value) => value !== null);
  const lowest = Math.min(...finite), highest = Math.max(...finite);
  // Losses and errors that differ by more than a factor of 20 are read on a log scale.
  const logValue = lower && lowest > 0 && highest / lowest > 20;
  const scaled = (value) => (logValue ? Math.log10(value) : value);

  function valueAxis(below) {
    const low = scaled(lowest), high = scaled(highest), room = (high - low || 0.1) * 0.05;
    return axis({ title: { text: word, standoff: 8 }, type: logValue ? "log" : "linear",
      range: [low - room - (below ? 2.2 * room : 0), high + room] });
  }

  // A trial's place on the axis of a hyperparameter; the trials of a choice are spread a little.
  const spread = (id) => ((id * 0.6180339887) % 1 - 0.5) * 0.6;
  const place = (parameter, k) => parameter.kind === "choice"
    ? parameter.values.indexOf(points.params[parameter.name][k]) + spread(points.id[k]) : points.params[parameter.name][k];

  // Round numbers within a range given by its logarithms: powers of ten, and in a narrow range numbers between them.
  function decades([low, high], most = 6) {
    const width = high - low, step = Math.max(1, Math.ceil(width / most));
    const between = width < 1.2 ? [1, 2, 3, 5, 7] : width < 2.5 ? [1, 3] : [1];
    const ticks = [];
    for (let power = Math.floor(low); power <= high + 1e-9; power += 1)
      for (const digit of between) {
        const at = power + Math.log10(digit);
        if (at >= low - 1e-9 && at <= high + 1e-9 && (digit > 1 || (power - Math.ceil(low - 1e-9)) % step === 0)) ticks.push(at);
      }
    const at = ticks.length > 1 ? ticks : [low, high];
    return { at, texts: at.map((power) => plain(10 ** power)) };
  }

  function parameterAxis(parameter) {
    const title = { text: escapeHtml(parameter.label), standoff: 8 };
    if (parameter.kind === "choice")
      return axis({ title, tickvals: parameter.values.map((_, k) => k), ticktext: parameter.texts.map(escapeHtml),
        range: [-0.6, parameter.values.length - 0.4], showgrid: false });
    const ends = parameter.kind === "log" ? parameter.range.map(Math.log10) : parameter.range;
    const room = (ends[1] - ends[0]) * 0.03;
    const { at, texts } = parameter.kind === "log" ? decades(ends) : {};
    return axis({ title, type: parameter.kind, range: [ends[0] - room, ends[1] + room],
      ...(at ? { tickvals: at.map((power) => 10 ** power), ticktext: texts } : {}) });
  }

  makers.slice = (div) => {
    const parameter = axes[+div.dataset.index];
    if (!finite.length) return "Every trial diverged.";
    const diverged = all.filter((k) => points.status[k] === DIVERGED);
    const bottom = scaled(lowest) - (scaled(highest) - scaled(lowest) || 0.1) * 0.1;
    const trace = (name, which, marker, y) => ({
      type: "scatter", mode: "markers", name, x: which.map((k) => place(parameter, k)),
      y: which.map(y || ((k) => points.value[k])), text: which.map((k) => hints[k]), hoverinfo: "text", marker,
    });
    const some = (status) => all.filter((k) => points.status[k] === status && !points.place[k] && points.value[k] !== null);
    const drawn = [
      trace("others", some(DONE), { size: 6, opacity: 0.55, color: "--others" }),
      trace("stopped early", some(STOPPED), { size: 6, opacity: 0.6, color: "--others", symbol: "circle-open" }),
      trace("diverged", diverged, { size: 6, opacity: 0.7, color: "--ink", symbol: "x-thin", line: { width: 1.3, color: "--ink" } },
        () => (logValue ? 10 ** bottom : bottom)),
      trace("best", all.filter((k) => points.place[k]), { size: 9, color: "--training", symbol: "diamond", line: { width: 1, color: "--ground" } }),
    ].filter(({ x }) => x.length);
    return { data: drawn, layout: layout({ hovermode: "closest", xaxis: parameterAxis(parameter), yaxis: valueAxis(diverged.length) }) };
  };

  function webgl() {
    try { return Boolean(document.createElement("canvas").getContext("webgl")); } catch { return false; }
  }

  makers.parallel = (div) => {
    if (!webgl()) return "This browser does not offer WebGL, which parallel coordinates need.";
    // From the worst to the best, so that the best are on top.
    const better = lower ? -1 : 1;
    const which = all.filter((k) => points.status[k] === DONE && points.value[k] !== null)
      .sort((a, b) => better * (points.value[a] - points.value[b]));
    if (which.length < 2) return "Fewer than two trials ran to their end.";
    const dimensions = axes.map((parameter) => {
      const label = parameter.label;
      if (parameter.kind === "choice")
        return { label, values: which.map((k) => parameter.values.indexOf(points.params[parameter.name][k])),
          tickvals: parameter.values.map((_, k) => k), ticktext: parameter.texts, range: [-0.2, parameter.values.length - 0.8] };
      const values = which.map((k) => points.params[parameter.name][k]);
      if (parameter.kind === "linear") return { label, values, range: parameter.range };
      const range = parameter.range.map(Math.log10), { at, texts } = decades(range);
      return { label, values: values.map(Math.log10), range, tickvals: at, ticktext: texts };
    });
    dimensions.push({ label: word, values: which.map((k) => scaled(points.value[k])),
      ...(logValue ? { tickvals: [scaled(lowest), scaled(highest)], ticktext: [brief(lowest), brief(highest)] } : {}) });
    div.style.minWidth = `${Math.max(0, dimensions.length * 6.5)}rem`;
    const scale = [0, 1, 2, 3, 4].map((k) => [k / 4, `--scale-${k}`]);
    const shades = which.map((k) => better * scaled(points.value[k]));
    const equal = shades.every((shade) => shade === shades[0]); // a scale without width would be grey
    return {
      data: [{ type: "parcoords", dimensions, labelfont: { size: 12 }, tickfont: { size: 11 }, rangefont: { size: 1, color: "rgba(0,0,0,0)" },
        line: { color: equal ? Plots.color("--scale-4") : shades, colorscale: scale.map(([at, name]) => [at, Plots.color(name)]) },
        unselected: { line: { color: "--others", opacity: 0.12 } } }],
      layout: layout({ margin: { l: 70, r: 70, t: 46, b: 22 } }),
    };
  };

  // A line with marks of its colour at points without neighbours.
  function marked(x, y, color) {
    const { mode, marker } = lined(x, y);
    return marker ? { mode, marker: { ...marker, color } } : { mode };
  }

  makers.bands = () => {
    if (!data.bands.length) return "No trial ran to its end.";
    const drawn = [];
    data.bands.forEach(({ stage, before, n, low, middle, high }, k) => {
      const x = n.map((count) => before + count), many = data.bands.length > 1;
      const of = many ? ` of stage ${stage}` : "";
      const line = (y, more) => ({ type: "scatter", mode: "lines", x, y, hoverinfo: "skip", line: { width: 0 }, showlegend: false, ...more });
      drawn.push(line(low), line(high, { fill: "tonexty", fillcolor: "--band", name: "nine of ten searches", showlegend: k === 0 }));
      drawn.push(line(middle, { ...marked(x, middle, "--validation"), line: { width: 2.5, color: "--validation" }, name: "the median", showlegend: k === 0, hoverinfo: "text",
        text: n.map((count, i) => `best of ${count.toLocaleString("en")} trials${of}<br>median ${brief(middle[i])}<br>nine of ten: ${brief(low[i])} to ${brief(high[i])}`) }));
    });
    const { n, value } = data.soFar;
    drawn.push({ type: "scatter", x: n, y: value, ...marked(n, value, "--training"), line: { shape: "hv", width: 2, color: "--training", dash: "dot" },
      name: "this search", hoverinfo: "text", text: n.map((count, k) => `this search after ${count.toLocaleString("en")} trials: ${brief(value[k])}`) });
    const log = data.trials > 20 && data.bands.length === 1;
    return { data: drawn, layout: layout({ hovermode: "closest", showlegend: true, margin: { l: 56, r: 14, t: 8, b: 48 },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      xaxis: axis({ title: { text: "trials", standoff: 8 }, type: log ? "log" : "linear", ...(log ? { dtick: 1, exponentformat: "none" } : {}) }),
      yaxis: axis({ title: { text: `best ${word}`, standoff: 8 }, type: logValue ? "log" : "linear",
        ...(lowest === highest ? { range: valueAxis().range } : {}) }) }) };
  };

  makers.importance = (div) => {
    const found = data.importance[div.dataset.index];
    const title = div.dataset.index === "all" ? `all ${data.bands.length > 1 ? "trials of stage " + data.importance.stage : "trials"}` : "the better half";
    if (found.words) return `${title[0].toUpperCase()}${title.slice(1)}: ${found.words}`;
    const { share, low, high } = found;
    div.style.height = `${7 + 2.2 * share.length}rem`;
    const labels = found.labels.map(escapeHtml);
    return {
      data: [{ type: "bar", orientation: "h", y: labels, x: share.map((s) => Math.max(0, s)), marker: { color: "--validation" },
        error_x: { type: "data", symmetric: false, array: high.map((h, k) => Math.max(0, h - Math.max(0, share[k]))),
          arrayminus: low.map((l, k) => Math.max(0, Math.max(0, share[k]) - Math.max(0, l))), color: "--ink", thickness: 1.5, width: 5 },
        hoverinfo: "text", text: share.map((s, k) => `${labels[k]}: ${percent(Math.max(0, s))}, fits ${percent(Math.max(0, low[k]))} to ${percent(Math.max(0, high[k]))}`), textposition: "none" }],
      layout: layout({ title: { text: `${title} (${found.trials.toLocaleString("en")}); the forest explains ${percent(found.explained)}`, font: { size: 13 }, x: 0, xanchor: "left", y: 0.98, yanchor: "top" },
        margin: { l: 20, r: 14, t: 34, b: 44 }, bargap: 0.35, yaxis: axis({ autorange: "reversed", showgrid: false, ticks: "" }),
        xaxis: axis({ title: { text: "share of the differences", standoff: 8 }, tickformat: ".0%", range: [0, Math.max(...high, 0.2) * 1.06] }) }),
    };
  };

  makers.diverged = (div) => {
    const found = data.divergence.find(({ label }) => label === axes[+div.dataset.index].label);
    if (!found) return `${axes[+div.dataset.index].label}: only one value.`;
    const share = found.trials.map((n, k) => (n ? found.diverged[k] / n : 0));
    return {
      data: [{ type: "bar", x: found.parts.map((_, k) => k), y: share, marker: { color: "--training" }, hoverinfo: "text", textposition: "none",
        text: found.parts.map((part, k) => `${escapeHtml(part)}<br>${found.diverged[k]} of ${found.trials[k]} trials diverged`) }],
      layout: layout({ bargap: 0.15, yaxis: axis({ tickformat: ".0%", range: [0, Math.max(...share, 0.05) * 1.08] }),
        xaxis: axis({ title: { text: escapeHtml(found.label), standoff: 8 }, showgrid: false,
          tickangle: 0, tickvals: found.starts.map((_, k) => k).filter((k) => found.choice || k % 3 === 0),
          ticktext: found.starts.filter((_, k) => found.choice || k % 3 === 0).map((text) => escapeHtml(found.choice ? text : `${text} …`)) }) }),
    };
  };

  const bars = (labels, parts, title) => ({
    data: parts.map(({ name, seconds, color, shape }) => ({ type: "bar", orientation: "h", name, y: labels.map(escapeHtml), x: seconds,
      marker: { color, pattern: { shape, fillmode: "overlay", fgcolor: "--ground", size: 6, solidity: 0.25 } }, hovertemplate: `${name}: %{x:.4g} s<extra></extra>` })),
    layout: layout({ barmode: "stack", showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal" },
      yaxis: axis({ autorange: "reversed", showgrid: false, ticks: "", type: "category" }), xaxis: axis({ title: { text: title, standoff: 8 } }) }),
  });

  makers.runs = () => {
    const { runs } = data.time;
    return bars(runs.map((run) => run.label), [
      { name: "compiling", seconds: runs.map((run) => run.compile), color: "--training", shape: "/" },
      { name: "training", seconds: runs.map((run) => run.trials), color: "--validation", shape: "" },
      { name: "the rest", seconds: runs.map((run) => run.rest), color: "--others", shape: "." },
    ], "seconds");
  };

  makers.spent = () => {
    const looks = { done: ["--validation", ""], stopped: ["--others", "."], diverged: ["--training", "/"] };
    const spent = data.time.trials.filter(({ seconds }) => seconds > 0);
    if (!spent.length) return "The trials took no measurable time.";
    return bars(["trials"], spent.map(({ status, seconds }) => (
      { name: { done: "to the end", stopped: "stopped early", diverged: "diverged" }[status], seconds: [seconds], color: looks[status][0], shape: looks[status][1] })),
    "seconds of all threads");
  };

  makers.candidates = (div) => {
    if (!data.candidates.some(({ search_value: value, mean }) => value !== null || mean !== null)) return "Every candidate diverged.";
    const labels = data.candidates.map(({ trial }) => `trial ${trial}`);
    div.style.height = `${Math.max(10, 5.5 + 2.2 * labels.length)}rem`;
    const seeds = data.candidates.flatMap(({ values }, k) => values.filter((v) => v !== null).map((v) => [v, labels[k]]));
    const spans = data.candidates.map(({ mean, low, high }) => (low === null ? [0, 0] : [high - mean, mean - low]));
    return {
      data: [
        { type: "scatter", mode: "markers", name: "in the search", x: data.candidates.map((c) => c.search_value), y: labels,
          marker: { symbol: "diamond-open", size: 10, color: "--training", line: { width: 2 } }, hovertemplate: "in the search %{x:.4g}<extra></extra>" },
        { type: "scatter", mode: "markers", name: "each fresh seed", x: seeds.map(([v]) => v), y: seeds.map(([, label]) => label),
          marker: { symbol: "circle-open", size: 7, color: "--others", line: { width: 1.5 } }, hovertemplate: "one seed %{x:.4g}<extra></extra>" },
        { type: "scatter", mode: "markers", name: "mean and interval", x: data.candidates.map((c) => c.mean), y: labels, marker: { size: 9, color: "--validation" },
          error_x: { type: "data", symmetric: false, array: spans.map(([up]) => up), arrayminus: spans.map(([, down]) => down), color: "--validation", thickness: 1.8, width: 5 },
          hovertemplate: "mean %{x:.4g}<extra></extra>" },
      ],
      layout: layout({ showlegend: true, hovermode: "closest", legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        yaxis: axis({ autorange: "reversed", type: "category", ticks: "" }), xaxis: axis({ title: { text: word, standoff: 8 } }) }),
    };
  };

  // The grid of learning curves: one small chart a trial, and a cursor that moves through all of them.
  function learningCurves() {
    const box = document.getElementById("cells");
    if (!box) return;
    const { epochs, trials } = data.curves;
    const margin = { l: 30, r: 12, t: 6, b: 20 };
    const first = epochs[0], last = epochs[epochs.length - 1];
    let measure = metric === "loss" ? "loss" : "score", at = null;
    const cells = trials.map((trial) => {
      const cell = document.createElement("article");
      cell.className = "cell";
      const known = points.id.indexOf(trial.id);
      cell.innerHTML = `<h3>Best-${trial.place} <span>${brief(trial.value)}</span></h3><div class="curve"></div><i class="cursor" hidden></i><p></p><p class="what"></p>`;
      const short = { learning_rate: "lr", weight_decay: "wd" };
      cell.querySelector(".what").textContent = known < 0 ? "" : axes.map(({ name, label }) => `${short[name] || label} ${plain(points.params[name][known])}`).join(", ");
      cell.title = `trial ${trial.id}: ${cell.querySelector(".what").textContent}`;
      box.append(cell);
      return { trial, div: cell.querySelector("div"), cursor: cell.querySelector("i"), words: cell.querySelector("p") };
    });

    function lines(trial) {
      const line = (name, y, color, look) => ({ type: "scatter", name, x: epochs, y, cliponaxis: false, ...marked(epochs, y, color), line: { color, ...look } });
      return [line("training", trial[`train_${measure}`], "--training", { width: 1.4, dash: "4px,2.5px" }),
        line("validation", trial[`validation_${measure}`], "--validation", { width: 2 })];
    }

    function draw() {
      const drawn = trials.flatMap((t) => [...t[`validation_${measure}`], ...t[`train_${measure}`]].filter((v) => v !== null));
      const top = (measure === "score" && data.most) || 1.05 * Math.max(...drawn, 0) || 1;
      const ends = first === last ? [first - 1, last + 1] : [first, last];
      for (const { trial, div } of cells)
        Plotly.react(div, Plots.colored(lines(trial)), Plots.colored(layout({ margin, font: { size: 10, color: "--quiet" },
          xaxis: { ...axis({}), automargin: false, range: ends, tickvals: [...new Set([first, last])], showgrid: false, ticklen: 3, tickangle: 0 },
          yaxis: { ...axis({}), automargin: false, range: [0, top], nticks: 5, ticklen: 3 } })), { ...Plots.config, staticPlot: true });
    }

    function tell(k) {
      at = k;
      for (const { trial, div, cursor, words } of cells) {
        const train = measure === "score" && data.curves.train_scored === "running" ? "train, mean over the epoch," : "train";
        const where = k === null ? trial[`validation_${measure}`].findLastIndex((v) => v !== null) : k;
        words.textContent = `val ${brief(trial[`validation_${measure}`][where])} · ${train} ${brief(trial[`train_${measure}`][where])}`;
        cursor.hidden = k === null;
        if (k === null) continue;
        const share = first === last ? 0.5 : (epochs[k] - first) / (last - first);
        cursor.style.left = `${margin.l + share * (div.clientWidth - margin.l - margin.r)}px`;
        cursor.style.top = `${div.offsetTop + margin.t}px`;
        cursor.style.height = `${div.clientHeight - margin.t - margin.b}px`;
      }
      document.getElementById("epoch").textContent = k === null ? "\u00a0" : `epoch ${epochs[k]}`;
    }

    box.addEventListener("pointermove", (event) => {
      const div = event.target.closest(".cell")?.querySelector(".curve");
      if (!div) return;
      const { left, width } = div.getBoundingClientRect();
      const share = (event.clientX - left - margin.l) / (width - margin.l - margin.r);
      tell(Math.max(0, Math.min(epochs.length - 1, Math.round(share * (epochs.length - 1)))));
    });
    box.addEventListener("pointerleave", () => tell(null));
    box.addEventListener("blur", () => tell(null));
    box.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
      if (event.key === "Escape") tell(null);
      if (!(event.key in steps)) return;
      event.preventDefault();
      tell(Math.max(0, Math.min(epochs.length - 1, (at ?? epochs.length - 1) + steps[event.key])));
    });
    for (const button of document.querySelectorAll("[data-measure]"))
      button.addEventListener("click", () => {
        measure = button.dataset.measure;
        document.querySelectorAll("[data-measure]").forEach((b) => b.setAttribute("aria-pressed", String(b === button)));
        draw();
        tell(at);
      });
    addEventListener("recolored", draw);
    draw();
    tell(null);
  }

  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.key;
      const compare = (a, b) => {
        if (a === "" || b === "") return (a === "") - (b === ""); // missing values stay at the end
        const numbers = [Number(a), Number(b)];
        return way * (numbers.some(Number.isNaN) ? a.localeCompare(b, "en") : numbers[0] - numbers[1]);
      };
      body.append(...[...body.rows].sort((a, b) => compare(key(a), key(b))));
    }));
  }

  async function copy(button) {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch { // where the page has no access to the clipboard, the text is selected, to be copied by hand
      getSelection().selectAllChildren(code);
      if (!document.execCommand("copy")) { button.textContent = "Selected"; return; }
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("button.copy").forEach((button) => button.addEventListener("click", () => copy(button)));
  Plots.start();
  learningCurves();
})();
