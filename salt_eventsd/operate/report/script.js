"use strict";
(function () {
  var box = document.getElementById("search");
  var told = document.getElementById("found");
  var rows = [].slice.call(document.querySelectorAll("tbody tr"));
  var cells = [].slice.call(document.querySelectorAll(".grid i"));
  document.documentElement.classList.add("live");

  function search() {
    var words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    function fits(text) {
      text = text.toLowerCase();
      return words.every(function (word) { return text.indexOf(word) >= 0; });
    }
    var count = 0;
    rows.forEach(function (row) {
      row.hidden = !fits(row.textContent);
      count += row.hidden ? 0 : 1;
    });
    cells.forEach(function (cell) { cell.classList.toggle("dim", words.length > 0 && !fits(cell.title)); });
    told.textContent = words.length ? count + " of " + rows.length + " rows" : "";
  }

  function key(row, at) {
    var cell = row.cells[at];
    var value = cell.getAttribute("data-v");
    return value === null ? cell.textContent.trim() : value;
  }

  function sort(head, table) {
    var at = [].indexOf.call(head.parentNode.children, head);
    var down = head.getAttribute("aria-sort") !== "descending";
    var body = table.tBodies[0];
    var numeric = head.getAttribute("data-kind") === "n";
    var all = [].slice.call(body.rows).map(function (row, place) { return [key(row, at), place, row]; });
    all.sort(function (a, b) {
      var order = numeric ? (parseFloat(a[0]) || 0) - (parseFloat(b[0]) || 0) : a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
      return (down ? -order : order) || a[1] - b[1];
    });
    [].forEach.call(head.parentNode.children, function (one) { one.removeAttribute("aria-sort"); });
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    all.forEach(function (one) { body.appendChild(one[2]); });
  }

  [].forEach.call(document.querySelectorAll("table"), function (table) {
    [].forEach.call(table.tHead.rows[0].cells, function (head) {
      var button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.textContent = "";
      head.appendChild(button);
      button.addEventListener("click", function () { sort(head, table); });
    });
  });
  box.addEventListener("input", search);
  search();
})();
