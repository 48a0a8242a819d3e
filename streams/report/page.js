"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const config = { responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false, doubleClick: "reset" };
  const font = { family: getComputedStyle(document.body).fontFamily, size: 12 };
  const drawn = new Set();
  const draw = (place) => {
    const figure = figures[place.dataset.figure];
    if (!figure || drawn.has(place)) return;
    drawn.add(place);
    const layout = { ...figure.layout, font, autosize: true };
    // On a narrow screen the names on the left and right leave too little for the data.
    if (place.clientWidth < 480) {
      layout.margin = { ...layout.margin, l: Math.min(layout.margin.l, 92), r: Math.min(layout.margin.r, 96) };
      layout.xaxis = { ...layout.xaxis, nticks: 4 };
      layout.font = { ...font, size: 11 };
    }
    Plotly.newPlot(place, figure.data, layout, config);
  };
  const visible = (place) => !place.closest("details:not([open])");
  const places = [...document.querySelectorAll("[data-figure]")];
  places.filter(visible).forEach(draw);
  // The evidence is drawn when it is opened: a history may hold hundreds of charts.
  for (const details of document.querySelectorAll("details")) {
    details.addEventListener("toggle", () => details.open && [...details.querySelectorAll("[data-figure]")].filter(visible).forEach(draw));
  }
  const fit = (width) => drawn.forEach((place) => Plotly.relayout(place, width ? { width, autosize: false } : { width: null, autosize: true }));
  window.addEventListener("beforeprint", () => fit(680));
  window.addEventListener("afterprint", () => fit(0));
})();
