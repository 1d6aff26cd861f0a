"use strict";
// Light or dark, as the reader's system or the reader says. Models of Bokeh tell in their tags which of their properties
// take which of the colors. On paper all is light.

window.racerLooks = (() => {
  const element = id => document.getElementById(id);
  const PAPER = 690;  // px between the margins of a sheet
  const LARGER = 1.1;  // what a figure is enlarged on paper at most
  const isDark = window.matchMedia("(prefers-color-scheme: dark)"), isPaper = window.matchMedia("print");
  let colors = null, now = "";

  const wanted = () => {
    const choice = element("looks").value;
    if (choice !== "auto") return choice;
    return isDark.matches ? "dark" : "light";
  };

  // Bokeh's figures drawn until now in the colors of some looks.
  const dress = (looks = now) => {
    if (!colors) return;
    for (const model of Bokeh.documents.flatMap(shown => [...shown._all_models.values()])) {
      for (const tag of model.tags) {
        if (typeof tag !== "object" || tag === null) continue;
        const entries = tag instanceof Map ? [...tag] : Object.entries(tag);
        model.setv(Object.fromEntries(entries.map(([property, name]) => [property, colors[looks][name]])));
      }
    }
  };

  // A sheet is made of what is painted when this returns.
  const dressForPaper = () => {
    fitPaper();
    if (now === "light") return;
    dress("light");
    const views = [...Bokeh.index.all_views()];
    for (const view of views) if (view.glyph) view.set_visuals();
    for (const view of views) if (view.frame) view.paint();
  };

  const change = () => {
    if (wanted() === now) return;
    now = wanted();
    document.documentElement.dataset.looks = now;
    dress();
  };

  // How large each figure is, to the fraction of a pixel, lest Bokeh lays it out anew, and how much smaller or larger it has to be on paper.
  const fitPaper = () => {
    if (isPaper.matches) return;
    for (const plot of document.querySelectorAll(".plot")) {
      const columns = plot.closest(".side")?.childElementCount ?? 1, {width, height} = plot.getBoundingClientRect();
      if (!width) continue;
      plot.style.setProperty("--paper", Math.min(LARGER, PAPER / columns / width).toFixed(3));
      plot.style.setProperty("--width", `${width}px`);
      plot.style.setProperty("--height", `${height}px`);
    }
  };

  isDark.addEventListener("change", change);
  element("looks").addEventListener("change", change);
  const sizes = new ResizeObserver(fitPaper);
  for (const plot of document.querySelectorAll(".plot")) sizes.observe(plot);
  window.addEventListener("beforeprint", dressForPaper);
  window.addEventListener("afterprint", () => dress());
  change();
  return {dress: () => dress(), begin: looks => { colors = looks; dress(); }};
})();
