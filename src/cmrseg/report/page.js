"use strict";
(() => {
  const table = document.getElementById("cases");
  const heads = [...table.tHead.rows[0].cells];
  const cases = [...table.tBodies];

  // Text and numbers by column; a case without a value stands last, whichever way round.
  const valueOf = (body, column) => {
    const cell = body.rows[0].cells[column];
    if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
    return cell.tagName === "TH" ? cell.textContent : null;
  };
  const words = new Intl.Collator(undefined, { numeric: true });
  const compare = (a, b) => (typeof a === "string" ? words.compare(a, b) : a - b);

  const sort = (column, descending) => {
    const keyed = cases.map((body) => [valueOf(body, column), body]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return descending ? compare(b, a) : compare(a, b);
    });
    table.append(...keyed.map(([, body]) => body));
    heads.forEach((head, place) => {
      if (place === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  };
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const now = head.getAttribute("aria-sort");
      // Numbers are asked for largest first, verdicts and names from the beginning.
      sort(column, now ? now === "ascending" : head.classList.contains("number"));
    });
  });

  // A case is shown if its kind is asked for, and what is looked for stands in it.
  const found = document.getElementById("found");
  const texts = cases.map((body) => body.textContent.toLowerCase());
  const chips = [...document.querySelectorAll(".chips button")];
  const find = document.getElementById("find");
  const filter = () => {
    const asked = find.value.trim().toLowerCase();
    const kinds = chips.filter((chip) => chip.ariaPressed === "true").map((c) => c.dataset.kind);
    let shown = 0;
    cases.forEach((body, place) => {
      const fits = !kinds.length || kinds.includes(body.dataset.kind);
      body.hidden = !(fits && texts[place].includes(asked));
      shown += body.hidden ? 0 : 1;
    });
    found.textContent = shown === cases.length ? "" : `${shown} of ${cases.length} cases`;
  };
  find.addEventListener("input", filter);
  chips.forEach((chip) => chip.addEventListener("click", () => {
    chip.ariaPressed = chip.ariaPressed === "true" ? "false" : "true";
    filter();
  }));

  const make = (tag, className, parent, text = "") => {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = text;
    parent.append(made);
    return made;
  };

  // The slices of a case: pictures moved behind windows, one window an image.
  const build = (viewer) => {
    const about = JSON.parse(viewer.dataset.about);
    const has = (layer) => about.views.some((view) => view[layer] !== null);
    const tools = make("div", "tools", viewer);
    const switches = [["mask", "contours", "c"], ["rebuilt", "rebuilt by quality control", "r"],
      ["heat", "uncertainty", "u"]].filter(([layer]) => has(layer));
    const boxes = {};
    switches.forEach(([layer, words, key]) => {
      const label = make("label", "", tools);
      boxes[layer] = make("input", "", label);
      Object.assign(boxes[layer], { type: "checkbox", checked: layer === "mask" });
      label.append(` ${words} (${key})`);
    });
    const opacity = make("input", "", make("label", "", tools, "opacity "));
    Object.assign(opacity, { type: "range", min: 10, max: 100, value: 100 });
    tools.append(document.getElementById("legend").content.cloneNode(true));
    const views = make("div", "views", viewer);
    const layers = [];
    about.views.forEach((view) => {
      const figure = make("figure", "", views);
      const name = view.role.replace("_", " ");
      const told = make("figcaption", "", figure);
      const stage = make("div", "stage", figure);
      Object.assign(stage, { tabIndex: 0, role: "img" });
      const shown = [["grey", "slices", about.columns], ["heat", "slices", about.columns],
        ["mask", "lines", about.lines], ["rebuilt", "lines", about.lines]]
        .filter(([layer]) => view[layer] !== null)
        .map(([layer, picture, columns]) => {
          const one = make("div", "layer", stage);
          one.style.backgroundImage = `url("${viewer.dataset[picture]}")`;
          one.style.backgroundSize = `${columns * 100}% ${about.rows * 100}%`;
          one.dataset.x = columns > 1 ? (view[layer] / (columns - 1)) * 100 : 0;
          layers.push([layer, one]);
          return one;
        });
      const slider = make("input", "", figure);
      Object.assign(slider, { type: "range", min: 1, max: view.slices, value: view.worst + 1 });
      slider.setAttribute("aria-label", `slice of ${name}`);
      slider.hidden = view.slices === 1;
      const show = () => {
        const y = about.rows > 1 ? ((slider.value - 1) / (about.rows - 1)) * 100 : 0;
        shown.forEach((one) => { one.style.backgroundPosition = `${one.dataset.x}% ${y}%`; });
        told.textContent = view.slices === 1 ? name : `${name}, slice ${slider.value} of ${view.slices}`;
        stage.setAttribute("aria-label", told.textContent);
      };
      const step = (by) => { slider.value = Number(slider.value) + by; show(); };
      slider.addEventListener("input", show);
      stage.addEventListener("wheel", (event) => {
        if (view.slices === 1 || event.ctrlKey) return;
        event.preventDefault();
        step(Math.sign(event.deltaY));
      }, { passive: false });
      stage.addEventListener("keydown", (event) => {
        const by = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1 }[event.key];
        if (by) { event.preventDefault(); step(by); }
      });
      show();
    });
    const lay = () => layers.forEach(([layer, one]) => {
      one.hidden = layer !== "grey" && !boxes[layer].checked;
      one.style.opacity = layer === "grey" ? 1 : opacity.value / 100;
    });
    tools.addEventListener("input", lay);
    viewer.addEventListener("keydown", (event) => {
      const pressed = switches.find(([, , key]) => key === event.key);
      if (!pressed || event.ctrlKey || event.metaKey || event.altKey) return;
      boxes[pressed[0]].checked = !boxes[pressed[0]].checked;
      lay();
    });
    lay();
  };

  const unfold = (body, open) => {
    body.rows[1].hidden = !open;
    body.querySelector(".open").ariaExpanded = String(open);
    const viewer = body.querySelector(".viewer:empty");
    if (open && viewer) build(viewer);
  };
  cases.forEach((body) => {
    const button = body.querySelector(".open");
    if (button.ariaExpanded === "true") unfold(body, true);
    body.rows[0].addEventListener("click", (event) => {
      if (event.target.closest("a") || String(getSelection())) return;
      unfold(body, body.rows[1].hidden);
    });
  });
  const visit = () => {
    const body = document.getElementById(location.hash.slice(1));
    if (cases.includes(body)) { unfold(body, true); body.scrollIntoView(); }
  };
  addEventListener("hashchange", visit);
  visit();

  // On paper nobody can open anything: of few cases print picture and numbers, of many the list.
  const few = 20;
  let undo = [];
  addEventListener("beforeprint", () => {
    if (cases.length > few) return;
    cases.filter((body) => !body.hidden && body.rows[1].hidden).forEach((body) => {
      body.rows[1].hidden = false;
      undo.push(() => { body.rows[1].hidden = true; });
    });
    table.querySelectorAll("details.sheets:not([open])").forEach((details) => {
      details.open = true;
      undo.push(() => { details.open = false; });
    });
  });
  addEventListener("afterprint", () => {
    undo.forEach((back) => back());
    undo = [];
  });
})();
