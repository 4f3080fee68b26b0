// The charts of the section on the model. All numbers come from the element "data", under "model".
"use strict";

(() => {
  const { model } = JSON.parse(document.getElementById("data").textContent);
  const { axis, layout, makers } = Plots;
  const escapeHtml = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  const brief = (value) => (value === null || value === undefined ? "–" : String(+Number(value).toPrecision(4)));
  const short = (text, most = 28) => (String(text).length > most ? `${String(text).slice(0, most - 1)}…` : String(text));
  // Lines differ in colour and in dashes, so that they are distinct without colour, too.
  const LOOKS = [["--validation", "solid"], ["--training", "dash"], ["--others", "dot"], ["--ink", "dashdot"], ["--alarm", "longdash"],
    ["--validation", "dot"], ["--training", "solid"], ["--others", "longdash"], ["--ink", "dash"], ["--alarm", "solid"]];
  const look = (k) => { const [color, dash] = LOOKS[k % LOOKS.length]; return { color, dash, width: 2 }; };
  const legend = { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" };
  const share = (title) => axis({ title: { text: title, standoff: 8 }, range: [-0.02, 1.02], tickformat: ".1f" });
  const diagonal = { type: "scatter", mode: "lines", x: [0, 1], y: [0, 1], line: { color: "--others", width: 1, dash: "dot" }, hoverinfo: "skip", showlegend: false };

  function curves(x, y, baseline) {
    const words = (name) => name.replaceAll("_", " ");
    const many = model.curves.length > 1;
    const lines = model.curves.map((curve, k) => ({ type: "scatter", mode: "lines", name: escapeHtml(short(model.names[curve.class], 16)), showlegend: many,
      x: curve[x], y: curve[y], line: look(k), hoverinfo: "text",
      text: curve[x].map((at, i) => `${escapeHtml(model.names[curve.class])}<br>${words(x)} ${brief(at)}, ${words(y)} ${brief(curve[y][i])}<br>threshold ${brief(curve.threshold[i])}`) }));
    return { data: [...baseline, ...lines], layout: layout({ hovermode: "closest", showlegend: many, legend, xaxis: share(words(x)), yaxis: share(words(y)) }) };
  }

  makers.roc = () => curves("false_positive_rate", "recall", [diagonal]);

  makers.recall = () => curves("recall", "precision", model.curves.length > 1 ? [] : [
    { ...diagonal, y: [model.curves[0].share, model.curves[0].share] }]);

  makers.reliability = () => {
    const { bins, of, error } = model.reliability;
    const what = of === null ? "probability of the predicted class" : `probability of ${escapeHtml(short(model.names[of]))}`;
    return {
      data: [diagonal, { type: "scatter", mode: "lines+markers", x: bins.map((b) => b.predicted), y: bins.map((b) => b.observed), marker: { size: 7 }, line: look(0),
        error_y: { type: "data", symmetric: false, array: bins.map((b) => b.high - b.observed), arrayminus: bins.map((b) => b.observed - b.low), color: "--validation", thickness: 1.5, width: 4 },
        hoverinfo: "text", text: bins.map((b) => `predicted ${brief(b.predicted)}, observed ${brief(b.observed)}<br>${b.samples.toLocaleString("en")} samples`) }],
      layout: layout({ title: { text: `mean gap ${brief(error)}`, font: { size: 13 }, x: 0, xanchor: "left", y: 0.98, yanchor: "top" }, margin: { l: 56, r: 14, t: 30, b: 48 },
        hovermode: "closest", xaxis: share(what), yaxis: share("observed share") }),
    };
  };

  makers.predicted = (div) => {
    const { name, marks } = model.targets[+div.dataset.index];
    const ends = [Math.min(...marks.true), Math.max(...marks.true)];
    const text = escapeHtml(short(name));
    return {
      data: [{ type: "scatter", mode: "markers", x: marks.true, y: marks.predicted, marker: { size: 5, color: "--validation", opacity: marks.true.length > 400 ? 0.35 : 0.7 },
        hovertemplate: "true %{x:.5g}, predicted %{y:.5g}<extra></extra>" },
      { ...diagonal, x: ends, y: ends, line: { color: "--training", width: 1.5, dash: "dash" } }],
      layout: layout({ hovermode: "closest", xaxis: axis({ title: { text: `true ${text}`, standoff: 8 } }), yaxis: axis({ title: { text: `predicted ${text}`, standoff: 8 } }) }),
    };
  };

  makers.residuals = (div) => {
    const { edges, counts } = model.targets[+div.dataset.index].residuals;
    const middle = counts.map((_, k) => (edges[k] + edges[k + 1]) / 2);
    return {
      data: [{ type: "bar", x: middle, y: counts, width: edges[1] - edges[0], marker: { color: "--validation", line: { width: 0 } }, hoverinfo: "text", textposition: "none",
        text: counts.map((n, k) => `${brief(edges[k])} to ${brief(edges[k + 1])}: ${n.toLocaleString("en")} samples`) }],
      layout: layout({ bargap: 0, xaxis: axis({ title: { text: "predicted less true", standoff: 8 } }), yaxis: axis({ title: { text: "samples", standoff: 8 } }) }),
    };
  };

  makers.reliance = (div) => {
    const rows = model.importance, labels = rows.map(({ column }) => escapeHtml(short(column)));
    div.style.height = `${7 + 1.7 * rows.length}rem`;
    const least = Math.min(0, ...rows.map(({ low }) => low)), most = Math.max(...rows.map(({ high }) => high), 1e-9);
    return {
      data: [{ type: "bar", orientation: "h", y: rows.map((_, k) => k), x: rows.map(({ rise }) => rise), marker: { color: "--validation" },
        error_x: { type: "data", symmetric: false, array: rows.map((r) => r.high - r.rise), arrayminus: rows.map((r) => r.rise - r.low), color: "--ink", thickness: 1.5, width: 4 },
        hoverinfo: "text", textposition: "none", text: rows.map((r, k) => `${labels[k]}: ${brief(r.rise)} (${brief(r.low)} to ${brief(r.high)})`) }],
      layout: layout({ margin: { l: 20, r: 14, t: 8, b: 48 }, bargap: 0.35,
        yaxis: axis({ autorange: "reversed", showgrid: false, ticks: "", tickvals: rows.map((_, k) => k), ticktext: labels }),
        xaxis: axis({ title: { text: "rise of the loss", standoff: 8 }, range: [least - 0.02 * most, 1.05 * most], zeroline: true, zerolinecolor: "--line" }) }),
    };
  };

  makers.dependence = (div) => {
    const { column, kind, values, share: shares, curves: means } = model.dependence[+div.dataset.index];
    const names = Object.keys(means), many = names.length > 1, number = kind === "number";
    const x = number ? values : values.map((_, k) => k);
    const hint = (k, mean) => `${escapeHtml(brief(values[k]) === "NaN" ? values[k] : number ? brief(values[k]) : values[k])}: ${brief(mean)}${shares ? `<br>${(100 * shares[k]).toFixed(1)} % of the samples` : ""}`;
    return {
      data: names.map((name, k) => ({ type: "scatter", mode: number ? "lines" : "markers", name: escapeHtml(short(name, 16)), x, y: means[name], line: look(k),
        marker: { size: 9, color: look(k).color, symbol: ["circle", "diamond", "square"][k % 3] }, hoverinfo: "text", text: means[name].map((mean, i) => hint(i, mean)) })),
      layout: layout({ showlegend: many, legend, hovermode: "closest", yaxis: axis({ title: { text: many ? "probability" : escapeHtml(short(names[0], 18)), standoff: 8 } }),
        xaxis: axis({ title: { text: escapeHtml(short(column)), standoff: 8 }, ...(number ? {} : { tickvals: x, ticktext: values.map((v) => escapeHtml(short(v, 12))), range: [-0.6, x.length - 0.4], showgrid: false }) }) }),
    };
  };
})();
