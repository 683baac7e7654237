// Shows the values under the pointer. Plots of one group move together. The
// arrow keys do what the pointer does, on the plot that has the focus.
(function () {
  "use strict";
  var groups = {};

  function setUp(figure) {
    var plot = {
      data: JSON.parse(figure.dataset.plot),
      area: figure.querySelector(".area"),
      cross: figure.querySelector(".cross"),
      values: figure.querySelectorAll(".legend b"),
      dots: [],
      at: -1
    };
    figure.querySelectorAll(".legend li:not(.at)").forEach(function (item) {
      var dot = document.createElement("i");
      dot.className = "dot " + item.className;
      plot.area.appendChild(dot);
      plot.dots.push(dot);
    });
    var group = groups[figure.dataset.group] || (groups[figure.dataset.group] = []);
    group.push(plot);

    function point(event) {
      var box = plot.area.getBoundingClientRect();
      show(group, nearest(plot.data.x, (event.clientX - box.left) / box.width * 1000));
    }
    plot.area.addEventListener("pointermove", point);
    plot.area.addEventListener("pointerdown", point);
    plot.area.addEventListener("pointerleave", function () { show(group, -1); });
    figure.addEventListener("blur", function () { show(group, -1); });
    figure.addEventListener("keydown", function (event) {
      var step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) {
        event.preventDefault();
        show(group, Math.max(0, Math.min(plot.data.x.length - 1, plot.at + step)));
      }
    });
  }

  function nearest(xs, x) {
    var best = -1;
    xs.forEach(function (v, i) {
      if (best < 0 || Math.abs(v - x) < Math.abs(xs[best] - x)) { best = i; }
    });
    return best;
  }

  function show(group, at) {
    group.forEach(function (plot) {
      var data = plot.data;
      plot.at = at;
      plot.cross.style.display = at < 0 ? "" : "block";
      plot.cross.style.left = at < 0 ? "" : data.x[at] / 10 + "%";
      plot.values[0].textContent = at < 0 ? "" : data.l[at];
      plot.dots.forEach(function (dot, i) {
        var y = at < 0 ? -1 : data.y[i][at];
        plot.values[i + 1].textContent = at < 0 ? "" : data.t[i][at] || "–";
        dot.style.display = y < 0 ? "" : "block";
        dot.style.left = y < 0 ? "" : data.x[at] / 10 + "%";
        dot.style.top = y < 0 ? "" : y / 10 + "%";
      });
    });
  }

  document.querySelectorAll("figure[data-plot]").forEach(setUp);
})();
