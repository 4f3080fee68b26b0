// Asks for the state every second, and turns into the report when the search is over.
"use strict";

(() => {
  const { axis, layout, lined, colored, config } = Plots;
  const byId = (id) => document.getElementById(id);
  const GIVE_UP = 3; // requests without an answer
  const SHARE = 0.03; // of the time this page may spend drawing: the processor is needed for the search
  let generation = -1, points = [], failures = 0, names = [], latest = null, drawAt = 0;

  const time = (seconds) => {
    if (seconds === null || seconds === undefined) return "–";
    const whole = Math.round(seconds), hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    const rest = String(whole % 60).padStart(2, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  };
  const brief = (value) => (value === null || value === undefined ? "–" : String(+Number(value).toPrecision(4)));

  function card(title, figure, more) {
    const box = Object.assign(document.createElement("section"), { className: "card" });
    for (const [tag, name, text] of [["h2", "", title], ["p", "figure", figure], ["p", "quiet", more]])
      if (text) box.append(Object.assign(document.createElement(tag), { className: name, textContent: text }));
    return box;
  }

  function say(news) {
    byId("progress").value = news.share;
    byId("title").textContent = document.title = news.phase === "ended" ? "The search is over" : `Searching, ${Math.floor(100 * news.share)} %`;
    byId("state").textContent = news.phase === "ended" ? news.words
      : news.compiling ? "Compiling the kernels, or loading them from the cache."
      : news.ensembling ? "Training the best again to combine them."
      : news.choosing ? "Training the best again on fresh seeds, then the one to keep."
      : news.total === null || news.done < news.total ? "Trials are running." : "All trials are done.";
    const counts = [[news.stopped, "stopped early"], [news.diverged, "diverged"]].filter(([n]) => n).map(([n, word]) => `${n.toLocaleString("en")} ${word}`);
    const steps = [["stage", news.stage, news.stages], ["rung", news.rung, news.rungs]].filter(([, , of]) => of > 1).map(([word, at, of]) => `${word} ${at} of ${of}`);
    const done = news.done.toLocaleString("en");
    byId("cards").replaceChildren(
      card("trials", news.total === null ? done : `${done} of ${news.total.toLocaleString("en")}`, [...steps, ...counts].join(", ")),
      card(`best validation ${news.metric}`, brief(news.best), "the best of many was also lucky"),
      card("trials/s", brief(news.rate), `${time(news.elapsed)} so far`),
      card("time left", news.phase === "ended" ? "–" : time(news.eta), ""),
    );
    byId("thinned").textContent = news.stride > 1 ? `Every ${news.stride}th trial is drawn.` : "";
  }

  function choices() {
    for (const name of latest.names.filter((n) => !names.includes(n)))
      byId("over").append(new Option(name.replaceAll("_", " "), name));
    names = latest.names;
  }

  function draw() {
    const over = byId("over").value, column = names.indexOf(over);
    const x = points.map(([id, , , values]) => (column < 0 ? id : values[column]));
    const numbers = x.every((value) => typeof value === "number");
    const log = column >= 0 && numbers && Math.min(...x) > 0 && Math.max(...x) / Math.min(...x) > 50;
    const marks = (status, name, marker) => {
      const which = points.map((_, k) => k).filter((k) => points[k][1] === status && points[k][2] !== null);
      return { type: "scatter", mode: "markers", name, x: which.map((k) => x[k]), y: which.map((k) => points[k][2]), marker,
        text: which.map((k) => `trial ${points[k][0]}`), hovertemplate: "%{text}: %{y:.4g}<extra></extra>" };
    };
    Plotly.react("scatter", colored([
      marks(1, "stopped early", { size: 5, color: "--others", symbol: "circle-open" }),
      marks(0, "to the end", { size: 6, color: "--validation", opacity: 0.6 }),
    ]), colored(layout({ hovermode: "closest", xaxis: axis({ title: { text: byId("over").selectedOptions[0].text }, type: log ? "log" : numbers ? "linear" : "category" }),
      yaxis: axis({ title: { text: `validation ${latest.metric}` } }) })), config);
    const steps = [...latest.steps];
    if (steps.length) steps.push([latest.done, steps[steps.length - 1][1]]);
    const [n, best] = [steps.map(([n]) => n), steps.map(([, v]) => v)], { mode, marker } = lined(n, best);
    Plotly.react("best", colored([{ type: "scatter", mode, x: n, y: best, ...(marker ? { marker: { ...marker, color: "--training" } } : {}),
      line: { shape: "hv", color: "--training", width: 2.5 }, hovertemplate: "after %{x} trials: %{y:.4g}<extra></extra>" }]),
    colored(layout({ hovermode: "closest", xaxis: axis({ title: { text: "trials" }, rangemode: "tozero" }), yaxis: axis({ title: { text: "best so far" } }) })), config);
  }

  function drawSparingly() {
    if (document.hidden || performance.now() < drawAt) return;
    const began = performance.now();
    draw();
    drawAt = performance.now() + (performance.now() - began) / SHARE;
  }

  async function ask() {
    try {
      const answer = await fetch(`data?generation=${generation}&known=${points.length}`);
      if (!answer.ok) throw new Error(answer.statusText);
      latest = await answer.json();
      failures = 0;
    } catch {
      failures += 1;
      if (failures < GIVE_UP) return setTimeout(ask, 1000);
      byId("title").textContent = document.title = "The search no longer answers";
      byId("state").textContent = "It has ended, or was stopped. Its study contains the finished trials; if the search was completed, the report is next to it.";
      return undefined;
    }
    generation = latest.generation;
    points.splice(latest.from);
    points.push(...latest.points);
    choices();
    say(latest);
    if (latest.phase === "ended") {
      if (latest.report) return location.replace("report.html");
      return draw();
    }
    drawSparingly();
    return setTimeout(ask, 1000);
  }

  byId("over").addEventListener("change", draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  ask();
})();
