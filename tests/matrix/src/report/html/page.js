// Filters, and one case at a time. The page's address is the state: `#text=gic&verdict=failed`
// shows some cases, `&case=NAME&at=HYPERVISOR` opens one. Everything is in the page already;
// this only hides and shows it, and makes no text of its own out of the records.
"use strict";
(() => {
  const root = document.documentElement;
  const form = document.getElementById("filters");
  const matrix = document.getElementById("matrix");
  const panel = document.getElementById("panel");
  const shown = document.getElementById("shown");
  const nothing = document.getElementById("nothing");
  const articles = new Map([...panel.querySelectorAll("article")].map((a) => [a.dataset.case, a]));
  const columns = [...matrix.querySelectorAll("thead th[data-hypervisor]")].map((th) => th.dataset.hypervisor);

  // These places are for readers without a script. With it, the page itself leads to what an
  // address names, and the browser's own jump would only be in the way.
  for (const place of panel.querySelectorAll("[id^='case=']")) place.removeAttribute("id");

  // A row, with what the filters ask of it.
  const rows = [...matrix.querySelectorAll("tr[data-case]")].map((tr) => ({
    tr,
    name: tr.dataset.case,
    group: tr.parentElement.dataset.group,
    cells: [...tr.cells].slice(1),
    verdicts: [...tr.cells].slice(1).map((td) => td.dataset.verdict),
    words: null,
  }));
  const words = (row) => {
    if (row.words === null) {
      const lesson = articles.get(row.name);
      const parts = lesson ? [...lesson.children].filter((e) => e.matches("h2, .claim, dl, .lesson")) : [];
      row.words = [row.name, ...parts.map((e) => e.textContent)].join(" ").toLowerCase();
    }
    return row.words;
  };

  const state = () => new URLSearchParams(location.hash.slice(1));

  // What is wrong or unknown in an address is as if it were not there.
  const read = (params) => ({
    text: (params.get("text") || "").toLowerCase().split(/\s+/).filter(Boolean),
    group: params.get("group") || "",
    verdicts: params.getAll("verdict"),
    hypervisors: params.getAll("hypervisor").filter((id) => columns.includes(id)),
    chosen: articles.has(params.get("case")) ? params.get("case") : null,
    at: params.get("at"),
  });

  const fits = (row, want, visible) => {
    const verdicts = row.verdicts.filter((_, i) => visible[i]);
    const differs = new Set(verdicts.filter((v) => v !== "missing")).size > 1;
    return (!want.group || row.group === want.group)
      && (!want.verdicts.length || want.verdicts.some((v) => (v === "differs" ? differs : verdicts.includes(v))))
      && want.text.every((word) => words(row).includes(word));
  };

  const filter = (want) => {
    const visible = columns.map((id) => !want.hypervisors.length || want.hypervisors.includes(id));
    for (const tr of matrix.tHead.rows) {
      [...tr.cells].slice(1).forEach((cell, i) => { cell.hidden = !visible[i]; });
    }
    let count = 0;
    for (const row of rows) {
      row.cells.forEach((cell, i) => { cell.hidden = !visible[i]; });
      row.tr.hidden = !fits(row, want, visible);
      count += row.tr.hidden ? 0 : 1;
    }
    for (const body of matrix.tBodies) {
      body.hidden = ![...body.rows].some((tr) => tr.dataset.case && !tr.hidden);
    }
    nothing.hidden = count > 0;
    shown.textContent = `${count} of ${rows.length} cases`;
  };

  let opener = null; // whence the panel was opened: focus goes back there

  const open = (want) => {
    for (const old of document.querySelectorAll("#matrix .chosen, .on.chosen")) old.classList.remove("chosen");
    for (const [name, article] of articles) article.hidden = name !== want.chosen;
    root.classList.toggle("open", want.chosen !== null);
    if (want.chosen === null) return;
    const row = rows.find((r) => r.name === want.chosen);
    row.tr.classList.add("chosen");
    const article = articles.get(want.chosen);
    const section = [...article.querySelectorAll(".on")].find((s) => s.dataset.hypervisor === want.at);
    panel.scrollTop = 0;
    if (section) {
      section.classList.add("chosen");
      row.cells[columns.indexOf(want.at)].classList.add("chosen");
    }
    (section || article).focus({ preventScroll: true });
    // The panel alone: the table stays where it is.
    if (section) panel.scrollTop += section.getBoundingClientRect().top - panel.getBoundingClientRect().top;
  };

  const show = (params) => {
    form.elements.text.value = params.get("text") || "";
    form.elements.group.value = params.get("group") || "";
    if (form.elements.group.selectedIndex < 0) form.elements.group.value = "";
    for (const box of form.querySelectorAll("input[type=checkbox]")) {
      box.checked = params.getAll(box.name).includes(box.value);
    }
  };

  let drawn = null;
  const draw = () => {
    const params = state();
    const want = read(params);
    filter(want);
    const key = JSON.stringify([want.chosen, want.at]);
    if (key !== drawn) open(want);
    drawn = key;
    return params;
  };

  // The filters of the form, with the panel as it is.
  const params = () => {
    const next = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value) next.append(name, value);
    return next;
  };
  const go = (next, replace) => {
    const hash = "#" + next.toString();
    if (replace) history.replaceState(null, "", hash); else history.pushState(null, "", hash);
    draw();
  };
  const keep = (next) => {
    for (const name of ["case", "at"]) if (state().has(name)) next.append(name, state().get(name));
    return next;
  };
  const close = () => {
    go(params());
    if (opener && opener.isConnected) opener.focus();
  };

  form.addEventListener("input", () => go(keep(params()), true));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    const next = keep(new URLSearchParams());
    show(next);
    go(next);
  });
  matrix.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    opener = link;
    const next = params();
    new URLSearchParams(link.hash.slice(1)).forEach((value, name) => next.append(name, value));
    go(next);
  });

  // Arrows go from cell to cell, so that Tab need not: it stops at each row's name.
  for (const row of rows) for (const cell of row.cells) cell.querySelector("a")?.setAttribute("tabindex", "-1");
  matrix.addEventListener("keydown", (event) => {
    const link = event.target.closest("a");
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!link || !step) return;
    const visible = rows.filter((row) => !row.tr.hidden).map((row) => [...row.tr.cells].filter((c) => !c.hidden));
    let y = visible.findIndex((cells) => cells.includes(link.parentElement));
    if (y < 0) return;
    let x = visible[y].indexOf(link.parentElement);
    let next = null;
    do { // cells that were not run have no link
      y += step[0];
      x += step[1];
      next = visible[y]?.[x]?.querySelector("a");
    } while (!next && visible[y]?.[x]);
    if (next) {
      event.preventDefault();
      next.focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && root.classList.contains("open")) close();
  });

  // A mark of a timeline and its row in the list belong together.
  panel.addEventListener("click", (event) => {
    const mark = event.target.closest(".mark");
    if (!mark) return;
    const figure = mark.closest(".timeline");
    for (const old of figure.querySelectorAll(".chosen")) old.classList.remove("chosen");
    const row = figure.querySelector(`tr[data-event="${Number(mark.dataset.event)}"]`);
    figure.querySelector("details").open = true;
    mark.classList.add("chosen");
    row.classList.add("chosen");
    row.scrollIntoView({ block: "nearest" });
  });

  const button = document.createElement("button");
  button.id = "close";
  button.type = "button";
  button.textContent = "Close";
  button.addEventListener("click", close);
  panel.prepend(button);

  const follow = () => show(draw());
  window.addEventListener("hashchange", follow);
  window.addEventListener("popstate", follow);
  form.hidden = false;
  root.classList.add("js");
  follow();
})();
