"use strict";
// What a reader can do with the page beyond reading it. The page is whole without this script, and asks nobody for
// anything with it. Templates include this file as it is: nothing in it may look like a template's mark.
(() => {
  const root = document.documentElement;
  const SVG = "http://www.w3.org/2000/svg";
  const THEMES = ["light", "dark"];
  const KEPT = "reportgen-theme";
  let settings;

  // Light and dark, before anything is painted. A browser may refuse to remember, and says so by throwing.
  function remembered() {
    try { return localStorage.getItem(KEPT); } catch { return null; }
  }
  function remember(theme) {
    try { localStorage.setItem(KEPT, theme); } catch { /* it holds for this visit */ }
  }
  function setTheme(theme) {
    if (THEMES.includes(theme)) root.dataset.theme = theme;
    else delete root.dataset.theme;
  }
  setTheme(remembered());
  document.addEventListener("DOMContentLoaded", () => {
    settings = JSON.parse(document.getElementById("settings").textContent);
    wireSwitches();
    markReading();
    const figures = document.querySelectorAll("main figure");
    for (const figure of figures) if (figure.querySelector("svg")) wireFigure(figure);
    for (const browser of document.querySelectorAll(".browser")) wireBrowser(browser);
    for (const heads of document.querySelectorAll("tr.sorting")) wireSorting(heads.closest("table"));
    makeReachable();
    addEventListener("resize", makeReachable);
    document.addEventListener("toggle", makeReachable, true);
  });

  // What scrolls sideways can be scrolled by keyboard.
  function makeReachable() {
    for (const frame of document.querySelectorAll(".frame:not([tabindex])")) {
      if (frame.scrollWidth <= frame.clientWidth) continue;
      frame.tabIndex = 0;
      frame.setAttribute("role", "group");
      frame.setAttribute("aria-label", frame.querySelector("caption")?.textContent.trim() || "");
    }
  }

  // Words and numbers
  function say(id, values = {}) {
    return settings.words[id].replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  }
  // A stranger's text: nothing in it hides, or turns what stands around it.
  function legible(text) {
    const shown = text.replace(/\n/g, "↵").replace(/\t/g, "⇥");
    return shown.replace(/[\p{C}\p{Z}]/gu, (c) =>
      (c === " " ? c : `<U+${c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}>`));
  }
  function token(text) {
    const spaces = text.length - text.replace(/^ +/, "").length;
    return "␣".repeat(spaces) + legible(text.slice(spaces));
  }
  // By the rule of reportgen/numerals.py.
  function number(value, digits = 4) {
    const exact = Number(value);
    if (value === "" || value === undefined || !Number.isFinite(exact)) return "–";
    const [mantissa, power] = exact.toExponential(digits - 1).split("e");
    const raised = exact !== 0 && (power < -3 || power >= 15);
    const whole = Number.isInteger(exact) && !raised;
    const decimals = raised ? digits - 1 : whole ? 0 : Math.max(digits - 1 - power, 0);
    const options = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
    const written = Number(raised ? mantissa : exact || 0).toLocaleString(root.lang, options).replace("-", "−");
    return raised ? `${written} × 10${[...power].map((c) => SUPERSCRIPT[c]).join("")}` : written;
  }
  const SUPERSCRIPT = { "-": "⁻", "+": "", ...Object.fromEntries([..."⁰¹²³⁴⁵⁶⁷⁸⁹"].map((c, digit) => [digit, c])) };
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }
  function shape(name, attributes, text = "") {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  }

  // Switches
  function wireSwitches() {
    const switches = document.querySelector(".switches");
    const chosen = THEMES.find((theme) => theme === root.dataset.theme) || "";
    for (const radio of switches.querySelectorAll("[name=theme]")) radio.checked = radio.value === chosen;
    switches.addEventListener("change", ({ target }) => {
      if (target.name === "theme") {
        setTheme(target.value);
        remember(target.value);
      } else showModel(target.value);
    });
    const model = switches.querySelector("[name=model]:checked");
    if (model && model.value) showModel(model.value); // a browser may keep it over a reload
    switches.hidden = false;
  }
  function showModel(model) {
    for (const part of document.querySelectorAll("[data-models]")) {
      part.toggleAttribute("data-off", model !== "" && !part.dataset.models.split(" ").includes(model));
    }
    for (const row of document.querySelectorAll(".row, .tables, .statement.parted")) {
      const left = [...row.children].filter((part) => !part.hasAttribute("data-off"));
      row.toggleAttribute("data-alone", model !== "" && left.length === 1);
    }
    hideReadout();
  }

  // A table's rows, by any of its columns: a second time the other way round; what has nothing there stands last.
  function wireSorting(table) {
    const heads = [...table.querySelector(".sorting").cells];
    for (const [at, head] of heads.entries()) {
      const button = element("button", { type: "button" }, ...head.childNodes);
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sortRows(table.tBodies[0], at, down ? -1 : 1);
      });
    }
  }
  function sortRows(body, at, direction) {
    const numbers = [...body.rows].some((row) => "key" in row.cells[at].dataset);
    const keyOf = ({ cells: { [at]: cell } }) => (numbers ? cell.dataset.key ?? "" : cell.textContent.trim());
    const isEmpty = (row) => ["", "–"].includes(keyOf(row));
    const rows = [...body.rows].sort((one, other) => {
      if (isEmpty(one) || isEmpty(other)) return isEmpty(one) - isEmpty(other);
      if (numbers) return direction * (keyOf(one) - keyOf(other));
      return direction * keyOf(one).localeCompare(keyOf(other), root.lang);
    });
    body.append(...rows);
  }

  // The section in view, in the contents
  function markReading() {
    const contents = document.querySelector(".contents");
    const links = new Map();
    for (const link of contents.querySelectorAll("a[href^='#']")) {
      const section = document.getElementById(decodeURIComponent(link.hash.slice(1)));
      if (section) links.set(section, link);
    }
    const inView = new Set();
    const observer = new IntersectionObserver((changes) => {
      for (const { target, isIntersecting } of changes) {
        if (isIntersecting) inView.add(target);
        else inView.delete(target);
      }
      const current = [...links.keys()].find((section) => inView.has(section));
      if (!current) return;
      for (const [section, link] of links) {
        if (section === current) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
      const link = links.get(current);
      const above = link.offsetTop < contents.scrollTop;
      if (above || link.offsetTop > contents.scrollTop + contents.clientHeight - 60) {
        contents.scrollTop = link.offsetTop - contents.clientHeight / 2;
      }
    }, { rootMargin: "-12% 0px -72% 0px" });
    for (const section of links.keys()) observer.observe(section);
  }

  // The data of a figure, or of a browser of features
  const packed = (part) => part.querySelector("script[type='application/gzip']");
  async function unpacked(part) {
    const bytes = Uint8Array.from(atob(packed(part).textContent), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }
  function records(csv) {
    const rows = [];
    let row = [], field = "", quoted = false;
    for (let at = 0; at < csv.length; at++) {
      const c = csv[at];
      if (quoted) {
        if (c !== '"') field += c;
        else if (csv[at + 1] === '"') { field += c; at++; }
        else quoted = false;
      } else if (c === '"') quoted = true;
      else if (c === "," || c === "\n") {
        row.push(field);
        field = "";
        if (c === "\n") { rows.push(row); row = []; }
      } else field += c;
    }
    const columns = rows.shift();
    return rows.map((fields) => Object.fromEntries(columns.map((name, at) => [name, fields[at]])));
  }

  // What can be pointed at in a figure of each kind: an item under the pointer or next to another one, the shapes that
  // mark it and what it says. All places are in units of the figure's viewBox.
  const count = (rows, name) => 1 + rows.reduce((most, row) => Math.max(most, Number(row[name])), -1);
  const between = (least, value, most) => Math.min(Math.max(value, least), most);

  // Seen on dark ground and on light.
  const outlined = (name, attributes) =>
    ["ground", "pointed"].map((role) => shape(name, { ...attributes, class: role }));

  function cells(frame, rows, columns, tell, mark = (box) => [box]) {
    const [left, top, right, bottom] = frame.box;
    const wide = (right - left) / columns, high = (bottom - top) / rows;
    const box = ({ row, column }) =>
      [left + column * wide, top + row * high, left + (column + 1) * wide, top + (row + 1) * high];
    return {
      start: { row: 0, column: 0 },
      at(x, y) {
        const column = Math.floor((x - left) / wide), row = Math.floor((y - top) / high);
        return row >= 0 && column >= 0 && row < rows && column < columns ? { row, column } : null;
      },
      move: ({ row, column }, across, down) =>
        ({ row: between(0, row + down, rows - 1), column: between(0, column + across, columns - 1) }),
      same: (one, other) => one.row === other.row && one.column === other.column,
      place: box,
      marks: (item) => mark(box(item), frame.box).flatMap(([l, t, r, b]) =>
        outlined("rect", { x: l, y: t, width: r - l, height: b - t })),
      tell,
    };
  }

  function tokenGrid(rows, [frame], labels) {
    const byCell = new Map();
    for (const row of rows) {
      const at = `${row.row} ${row.column}`;
      byCell.set(at, [...(byCell.get(at) || []), row]);
    }
    return cells(frame, frame.rows, frame.columns, ({ row, column }) => {
      const ranked = byCell.get(`${row} ${column}`);
      const { row_label: name, column_label: over } = ranked[0];
      const known = ranked.filter(({ probability }) => probability !== "");
      return {
        title: [labels.row, name, "·", over],
        lines: known.length === 0 ? NOTHING : known.map(({ token: text, probability }) =>
          ({ text: token(text), value: number(probability, 2), share: Number(probability) })),
      };
    });
  }

  const NOTHING = [{ text: "", value: "–" }];

  function heatMap(rows, [frame], labels) {
    const values = new Map(rows.map((row) => [`${row.row} ${row.column}`, row.value]));
    return cells(frame, frame.rows, frame.columns, ({ row, column }) => ({
      title: [labels.row, String(row), "·", labels.column, String(column)],
      lines: [{ text: labels.value, value: number(values.get(`${row} ${column}`)) }],
    }));
  }

  function attentionHead(rows, [frame]) {
    const values = new Map(rows.map((row) => [`${row.query} ${row.key}`, row]));
    const queries = new Map(rows.map((row) => [Number(row.query), token(row.query_token)]));
    const keys = new Map(rows.map((row) => [Number(row.key), token(row.key_token)]));
    const wholeRow = (box, all) => [[all[0], box[1], all[2], box[3]], box];
    return cells(frame, queries.size, keys.size, ({ row, column }) => {
      const found = values.get(`${row} ${column}`);
      return {
        title: [say("attends", { query: queries.get(row), key: keys.get(column) })],
        lines: found ? [{ text: "", value: number(found.weight, 2), share: Number(found.weight) }] : NOTHING,
      };
    }, wholeRow);
  }

  function headMosaic(rows, [frame], labels) {
    // Some models have attention in some blocks only: their numbers.
    const numbers = frame.numbers || [...Array(count(rows, "block")).keys()], heads = count(rows, "head");
    const patterns = new Map();
    for (const { block, head, query, key, weight } of rows) {
      const at = `${block} ${head}`;
      if (!patterns.has(at)) patterns.set(at, []);
      patterns.get(at).push([Number(query), Number(key), Number(weight)]);
    }
    const told = Boolean(frame.queries.length && frame.keys.length);
    const furthest = (found = []) => found.reduce((most, [, , weight]) => (Math.abs(weight) > Math.abs(most) ? weight : most), 0);
    const mosaic = cells(frame, heads, numbers.length, ({ row, column }) => ({
      title: [say("head", { block: numbers[column], head: row })],
      // Without its tokens no head is shown large: its furthest number stands for it.
      lines: told ? [] : [{ text: `max |${labels.value}|`, value: number(furthest(patterns.get(`${numbers[column]} ${row}`)), 2) }],
    }));
    if (!told) return mosaic;
    return { ...mosaic, enlarged: ({ row, column }) => ({
      block: numbers[column], head: row, queries: frame.queries, keys: frame.keys,
      weights: patterns.get(`${numbers[column]} ${row}`) || [],
    }) };
  }

  // Points of curves, nights or items: the nearest one is meant.
  function points(found, move, mark) {
    const same = (one, other) => one === other;
    const near = 24;
    return {
      start: found[0],
      at(x, y) {
        let best = null, least = Infinity;
        for (const point of found) {
          const [left, top, right, bottom] = point.frame.box;
          if (x < left - near || x > right + near || y < top - near || y > bottom + near) continue;
          const away = Math.hypot(point.X - x, point.Y - y);
          if (away < least) { best = point; least = away; }
        }
        return best;
      },
      move, same,
      place: ({ X, Y }) => [X - 4, Y - 4, X + 4, Y + 4],
      marks: (point) => [...mark(point), ...outlined("circle", { cx: point.X, cy: point.Y, r: 3.5 })],
      tell: (point) => point.told,
    };
  }
  function placed(frame, x, y) {
    const [left, top, right, bottom] = frame.box;
    return {
      frame,
      X: left + (x - frame.x[0]) / (frame.x[1] - frame.x[0] || 1) * (right - left),
      Y: bottom - (y - frame.y[0]) / (frame.y[1] - frame.y[0] || 1) * (bottom - top),
    };
  }
  const crosshair = ({ X, Y, frame: { box: [left, top, right, bottom] } }) => [
    shape("path", { d: `M${X} ${top}V${bottom}M${left} ${Y}H${right}`, class: "crosshair" }),
  ];

  function lines(found) {
    const byLine = new Map();
    for (const point of found) byLine.set(point.line, [...(byLine.get(point.line) || []), point]);
    const move = (point, across, down) => {
      const own = byLine.get(point.line);
      if (across) return own[between(0, own.indexOf(point) + across, own.length - 1)];
      const beside = [...byLine.values()].map((line) =>
        line.reduce((one, other) => (Math.abs(other.X - point.X) < Math.abs(one.X - point.X) ? other : one)));
      beside.sort((one, other) => one.Y - other.Y || one.line - other.line);
      const at = beside.findIndex((other) => other.line === point.line);
      return beside[between(0, at + down, beside.length - 1)];
    };
    return points(found, move, crosshair);
  }

  function curves(rows, [frame], labels) {
    const found = [];
    let line = -1, before = null;
    for (const row of rows) {
      if (!before || row.curve !== before.curve || Number(row.x) <= Number(before.x)) line++;
      before = row;
      if (row.y === "") continue;
      const told = {
        title: [row.curve],
        lines: [
          { text: labels.x, value: number(row.x) },
          { text: labels.y, value: number(row.y) },
          ...(row.lower ? [{ text: "", value: `${number(row.lower)} … ${number(row.upper)}` }] : []),
        ],
      };
      found.push({ ...placed(frame, Number(row.x), Number(row.y)), line, told });
    }
    return lines(found);
  }

  function timelines(rows, frames) {
    const found = [];
    const nights = nightsOf(rows);
    let line = -1, name = null, night = 0;
    for (const row of rows) {
      if (row.timeline !== name || night >= nights) { line++; night = 0; name = row.timeline; }
      if (row.value !== "" && frames[line] && frames[line].y) {
        const told = { title: [row.timeline], lines: [{ text: row.night, value: number(row.value) }] };
        found.push({ ...placed(frames[line], night, Number(row.value)), line, told });
      }
      night++;
    }
    return lines(found);
  }
  const nightsOf = (rows) => new Set(rows.map((row) => row.night)).size;

  function maps(rows, frames) {
    const framed = new Map(frames.map((frame, at) => [String(frame.panel ?? at), frame]));
    const found = rows.filter((row) => row.x !== "" && framed.has(row.panel)).map((row) => ({
      ...placed(framed.get(row.panel), Number(row.x), Number(row.y)),
      panel: row.panel, item: row.item,
      told: { title: [row.label], lines: [{ text: row.group, value: `${number(row.x)}, ${number(row.y)}` }] },
    }));
    const move = (point, across, down) => {
      const order = across ? found.filter((one) => one.panel === point.panel)
        : found.filter((one) => one.item === point.item);
      return order[between(0, order.indexOf(point) + across + down, order.length - 1)];
    };
    return points(found, move, () => []);
  }

  function rankings(rows, frames) {
    const panels = new Map();
    for (const row of rows) {
      if (Number(row.rank) === 1) panels.set(panels.size, []);
      panels.get(panels.size - 1).push(row);
    }
    const grids = frames.map((frame, at) => cells(frame, (panels.get(at) || []).length, 1, ({ row }) => {
      const { ranking, rank, label, value } = panels.get(at)[row];
      return { title: [ranking], lines: [{ text: `${number(rank)} ${token(label)}`, value: number(value) }] };
    }));
    return {
      start: { panel: 0, row: 0, column: 0 },
      at(x, y) {
        const panel = grids.findIndex((grid) => grid.at(x, y));
        return panel < 0 ? null : { panel, ...grids[panel].at(x, y) };
      },
      move({ panel, row }, across, down) {
        const next = between(0, panel + across, grids.length - 1);
        return { panel: next, row: between(0, row + down, panels.get(next).length - 1), column: 0 };
      },
      same: (one, other) => one.panel === other.panel && one.row === other.row,
      place: (item) => grids[item.panel].place(item),
      marks: (item) => grids[item.panel].marks(item),
      tell: (item) => grids[item.panel].tell(item),
    };
  }

  const KINDS = {
    TokenGrid: tokenGrid, HeatMap: heatMap, AttentionHead: attentionHead, HeadMosaic: headMosaic,
    Curves: curves, Timelines: timelines, Maps: maps, Rankings: rankings,
  };

  // The panel beside what is pointed at, and what a screen reader says of it
  let readout, spoken;
  function showReadout({ title, lines: told }, [left, top, right, bottom]) {
    if (!readout) {
      readout = element("div", { class: "readout", "aria-hidden": "true" });
      document.body.append(readout);
    }
    readout.replaceChildren(element("p", {}, ...title.flatMap((part) => [bdi(part), " "])));
    for (const { text, value, share } of told) {
      const line = element("p", { class: "line" }, bdi(text), element("span", { class: "value" }, value));
      if (share !== undefined) {
        line.classList.add("token");
        const bar = element("span", { class: "bar" });
        bar.style.width = `${between(0, share, 1) * 100}%`;
        line.append(bar);
      }
      readout.append(line);
    }
    readout.hidden = false;
    const { offsetWidth: wide, offsetHeight: high } = readout;
    const over = bottom + 8 + high > innerHeight && top - 8 - high > 0;
    const beside = right + 8 + wide < innerWidth ? right + 8 : left - 8 - wide;
    readout.style.left = `${between(4, beside, Math.max(4, innerWidth - wide - 4))}px`;
    readout.style.top = `${over ? top - 8 - high : bottom + 8}px`;
  }
  function hideReadout() {
    if (readout) readout.hidden = true;
  }
  function tellAloud(told) {
    if (!spoken) return;
    const parts = told.lines.map(({ text, value }) => `${text} ${value}`.trim());
    spoken.textContent = [told.title.join(" "), ...parts].join(", ");
  }
  function bdi(text) {
    return element("bdi", {}, legible(text));
  }

  // One figure: one tab stop, from which arrow keys go to all that the pointer can reach
  function wireFigure(figure) {
    const picture = figure.querySelector("svg");
    const title = figure.querySelector("figcaption bdi").textContent;
    // As a title it would come up beside what is pointed at.
    const name = picture.querySelector("title");
    name.remove();
    picture.setAttribute("aria-label", title);
    picture.removeAttribute("aria-labelledby");
    figure.append(saveButtons(figure, picture, name, title));
    const kind = KINDS[picture.dataset.kind];
    if (!kind || !packed(figure) || !window.DecompressionStream || !picture.dataset.frames) return;
    const frame = figure.querySelector(".frame");
    const heads = picture.dataset.kind === "HeadMosaic" && JSON.parse(picture.dataset.frames)[0].queries.length > 0;
    frame.tabIndex = 0;
    frame.setAttribute("role", "application");
    frame.setAttribute("aria-label", say(heads ? "keys_heads" : "keys", { title }));
    if (!spoken) {
      spoken = element("p", { class: "unseen", role: "status", "aria-live": "polite" });
      document.body.append(spoken);
    }
    let making, at = null;
    const marks = shape("g", { class: "marks", "aria-hidden": "true" });
    const made = () => (making ||= unpacked(figure).then((csv) => {
      const { rowLabel: row, columnLabel: column, valueLabel: value, xLabel: x, yLabel: y } = frame.dataset;
      const items = kind(records(csv), JSON.parse(picture.dataset.frames), { row, column, value, x, y });
      if (items.enlarged) items.panel = headPanel(figure, frame);
      picture.append(marks);
      return items;
    }));

    function point(items, item, aloud) {
      if (!item) return leave();
      const told = items.tell(item);
      at = item;
      marks.replaceChildren(...items.marks(item));
      if (aloud) {
        keepInView(frame, onScreen(picture, items.place(item)));
        tellAloud(told);
      }
      showReadout(told, onScreen(picture, items.place(item)));
    }
    function leave() {
      marks.replaceChildren();
      hideReadout();
    }
    frame.addEventListener("pointermove", async (event) => {
      const { clientX, clientY } = event;
      const items = await made();
      const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(picture.getScreenCTM().inverse());
      const item = items.at(x, y);
      if (item && at && items.same(item, at) && marks.childNodes.length) return;
      point(items, item, false);
      if (item && items.panel) items.panel.show(items.enlarged(item), false);
    });
    frame.addEventListener("pointerleave", async () => {
      await making;
      leave();
    });
    frame.addEventListener("click", async (event) => {
      const items = await made();
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
      const item = items.at(x, y);
      if (item) point(items, item, true);
      if (item && items.panel) items.panel.show(items.enlarged(item), true);
    });
    frame.addEventListener("focus", async () => {
      const items = await made();
      if (frame.matches(":focus-visible") && document.activeElement === frame) point(items, at || items.start, true);
    });
    frame.addEventListener("blur", leave);
    frame.addEventListener("scroll", hideReadout);
    frame.addEventListener("keydown", async (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey || event.target !== frame) return;
      const step = STEPS[event.key];
      if (!step && !["Enter", " ", "Escape"].includes(event.key)) return;
      event.preventDefault();
      const items = await made();
      if (step) {
        point(items, at ? items.move(at, ...step) : items.start, true);
        if (items.panel) items.panel.show(items.enlarged(at), false);
      } else if (event.key === "Escape") {
        leave();
        if (items.panel) items.panel.close();
      } else if (items.panel && at) {
        items.panel.show(items.enlarged(at), true);
        items.panel.focus();
      }
    });
  }
  const STEPS = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-1e6, 0], End: [1e6, 0],
  };
  addEventListener("scroll", hideReadout, { passive: true });

  function onScreen(picture, [left, top, right, bottom]) {
    const matrix = picture.getScreenCTM();
    const { x: l, y: t } = new DOMPoint(left, top).matrixTransform(matrix);
    const { x: r, y: b } = new DOMPoint(right, bottom).matrixTransform(matrix);
    return [l, t, r, b];
  }
  function keepInView(frame, [left, , right]) {
    const box = frame.getBoundingClientRect();
    if (left < box.left) frame.scrollLeft -= box.left - left + 20;
    if (right > box.right) frame.scrollLeft += right - box.right + 20;
  }

  // One head of a mosaic, large: tokens on both axes, a row of it over the text
  function shade(weight) {
    const { shades } = settings;
    const at = between(0, weight, 1) * (shades.length - 1), low = Math.floor(at), high = Math.ceil(at);
    const channels = [1, 3, 5].map((start) => {
      const [from, to] = [low, high].map((index) => parseInt(shades[index].slice(start, start + 2), 16));
      return Math.round(from + (to - from) * (at - low));
    });
    return channels;
  }
  const css = ([red, green, blue]) => `rgb(${red},${green},${blue})`;
  function textOn(channels) {
    const [red, green, blue] = channels.map((channel) => {
      const share = channel / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    return 1.05 / (light + 0.05) > (light + 0.05) / 0.0515 ? "#ffffff" : "#050505";
  }

  function headPanel(figure, frame) {
    const name = element("p", { class: "head-name" });
    const close = element("button", { type: "button" }, say("close"));
    const plot = element("div", { class: "head-plot plate", tabindex: "0", role: "application" });
    const strip = element("p", { class: "strip" });
    const panel = element("div", { class: "head-panel" }, name, plot, strip);
    const hint = element("p", { class: "note hint" }, say("hint"));
    let shown = null, kept = false, row = 0, drawn = null;
    panel.hidden = true;
    frame.after(hint, panel);

    function show(head, keep) {
      if (kept && !keep) return;
      if (shown && shown.block === head.block && shown.head === head.head && kept === keep) return;
      const fresh = !shown;
      shown = head;
      kept = keep;
      if (fresh) row = head.queries.length - 1;
      name.replaceChildren(say("head", head), ...(keep ? [" ", close] : []));
      plot.setAttribute("aria-label", say("enlarged", head));
      drawn = enlarged(head);
      plot.replaceChildren(drawn.picture);
      panel.hidden = false;
      hint.hidden = true;
      point(row);
    }
    function point(query) {
      row = between(0, query, shown.queries.length - 1);
      drawn.mark(row);
      const weights = new Map(shown.weights.filter(([q]) => q === row).map(([, key, weight]) => [key, weight]));
      strip.replaceChildren(say("strip", { query: legible(shown.queries[row]) }), " ");
      shown.keys.forEach((text, key) => {
        const weight = weights.get(key);
        const piece = element("bdi", { class: key === row ? "own" : "" }, legible(text));
        if (weight !== undefined) {
          const channels = shade(weight);
          piece.style.background = css(channels);
          piece.style.color = textOn(channels);
          piece.title = number(weight, 2);
        } else piece.className += " ahead";
        strip.append(piece, " ");
      });
    }
    function shut() {
      if (!shown) return;
      const inside = panel.contains(document.activeElement);
      panel.hidden = true;
      hint.hidden = false;
      shown = null;
      kept = false;
      if (inside) frame.focus();
    }
    close.addEventListener("click", shut);
    plot.addEventListener("pointermove", ({ clientX, clientY }) => {
      const query = drawn.row(clientX, clientY);
      if (query !== null && query !== row) point(query);
    });
    panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") shut();
      else if (event.target === plot && STEPS[event.key]) {
        const [across, down] = STEPS[event.key];
        point(row + across + down);
        const best = shown.weights.filter(([q]) => q === row).sort((one, other) => other[2] - one[2])[0];
        if (best) {
          tellAloud({
            title: [say("attends", { query: legible(shown.queries[row]), key: legible(shown.keys[best[1]]) })],
            lines: [{ text: "", value: number(best[2], 2) }],
          });
        }
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return { show, close: shut, focus: () => plot.focus() };
  }

  function enlarged({ queries, keys, weights }) {
    const most = Math.max(queries.length, keys.length);
    const side = between(3, 380 / most, 24);
    const every = Math.ceil(11 / side);
    const short = (text) => ([...legible(text)].length > 14 ? [...legible(text)].slice(0, 13).join("") + "…" : legible(text));
    const wide = (text) => [...text].reduce((sum, c) => sum + (c.codePointAt(0) > 0x1100 ? 11 : 6.7), 0);
    const room = (texts) => 8 + Math.max(...texts.map((text) => wide(short(text))));
    const left = room(queries), top = room(keys);
    const right = left + side * keys.length, bottom = top + side * queries.length;
    const picture = shape("svg", {
      viewBox: `0 0 ${right + 2} ${bottom + 2}`, width: right + 2, height: bottom + 2, "aria-hidden": "true",
    });
    const canvas = element("canvas", { width: keys.length, height: queries.length });
    const pixels = canvas.getContext("2d");
    for (const [query, key, weight] of weights) {
      pixels.fillStyle = css(shade(weight));
      pixels.fillRect(key, query, 1, 1);
    }
    picture.append(shape("image", {
      href: canvas.toDataURL(), x: left, y: top, width: right - left, height: bottom - top,
      preserveAspectRatio: "none", style: "image-rendering: pixelated",
    }));
    queries.forEach((text, at) => {
      if (at % every) return;
      const y = top + (at + 0.5) * side;
      picture.append(shape("text", { x: left - 4, y, "text-anchor": "end", "dominant-baseline": "central" }, short(text)));
    });
    keys.forEach((text, at) => {
      if (at % every) return;
      const x = left + (at + 0.5) * side;
      const turned = { transform: `translate(${x} ${top - 4}) rotate(-90)`, "dominant-baseline": "central" };
      picture.append(shape("text", turned, short(text)));
    });
    const marked = shape("rect", { x: 1, width: right, height: side, class: "pointed" });
    picture.append(marked);
    return {
      picture,
      mark: (row) => marked.setAttribute("y", top + row * side),
      row(clientX, clientY) {
        const { y } = new DOMPoint(clientX, clientY).matrixTransform(picture.getScreenCTM().inverse());
        const query = Math.floor((y - top) / side);
        return query >= 0 && query < queries.length ? query : null;
      },
    };
  }

  // Features of dictionaries: the cards that fit what is searched for, some at a time
  const AT_ONCE = 20;
  const bare = (text) => text.replace(/^[␣ ]+/, "").trimEnd().toLowerCase();
  function wireBrowser(browser) {
    if (!window.DecompressionStream) return;
    const part = (name) => browser.querySelector(name);
    const search = part(".search"), query = part("input"), chosen = part("select"), list = part(".cards");
    const more = part(".more"), told = part(".found"), blank = part("template").content;
    let reading, shown = AT_ONCE;
    const read = () => (reading ||= unpacked(browser).then((text) => JSON.parse(text).map((card) => {
      const label = bare(card.label), tokens = [...card.promoted, ...card.examples.map((one) => one[2])].map(bare);
      return { ...card, words: [label, ...label.split(/[^\p{L}\p{M}\p{N}]+/u), ...tokens] };
    })));

    async function show() {
      const cards = await read();
      const wanted = bare(query.value), item = chosen ? chosen.value : "";
      const ranks = [[], [], [], []];
      for (const card of cards) {
        if (item === "" || card.item === Number(item)) ranks[rankOf(card, wanted)]?.push(card);
      }
      const found = ranks.flat();
      list.replaceChildren(...found.slice(0, shown).map((card) => filledCard(blank, card)));
      if (found.length) list.querySelector("details").open = true;
      more.hidden = found.length <= shown;
      told.textContent = say("found", { count: number(found.length), total: number(cards.length) });
    }
    function anew() {
      shown = AT_ONCE;
      show();
    }
    query.addEventListener("input", anew);
    chosen?.addEventListener("input", anew);
    more.addEventListener("click", async () => {
      const next = list.children.length;
      shown += AT_ONCE;
      await show();
      list.children[next]?.querySelector("summary").focus();
    });
    search.hidden = false;
    more.hidden = !more.hasAttribute("data-rest");
  }
  // How well a feature fits: by its number, a whole word or token, the beginning of one, a part; undefined: not at all.
  function rankOf({ number: own, words }, wanted) {
    if (wanted === "" || own === wanted || own === `#${wanted}`) return 0;
    if (words.includes(wanted)) return 1;
    if (words.some((word) => word.startsWith(wanted))) return 2;
    return words.some((word) => word.includes(wanted)) ? 3 : undefined;
  }
  function filledCard(blank, card) {
    const made = blank.cloneNode(true);
    const example = made.querySelector(".examples li");
    fillTexts(made, card);
    example.parentNode.replaceChildren(...card.examples.map(([activation, before, text, after]) => {
      const one = example.cloneNode(true);
      fillTexts(one, { activation, before, token: text, after });
      return one;
    }));
    for (const place of made.querySelectorAll("[data-tokens]")) {
      place.replaceChildren(...card[place.dataset.tokens].flatMap((text, at) => [...(at ? [" · "] : []), tokenPiece(text)]));
    }
    const link = made.querySelector("a");
    link.href = link.textContent = card.link;
    for (const piece of made.querySelectorAll("[data-part]")) if (!card[piece.dataset.part].length) piece.remove();
    return made;
  }
  function fillTexts(made, texts) {
    for (const place of made.querySelectorAll("[data-text]")) {
      if (place.dataset.text in texts) place.textContent = texts[place.dataset.text];
    }
  }
  function tokenPiece(text) {
    const spaces = text.match(/^␣*/)[0];
    const made = element("bdi", {}, text.slice(spaces.length));
    if (spaces) made.prepend(element("span", { class: "space" }, spaces));
    return made;
  }

  // Files of a figure, made of what the page holds
  function saveButtons(figure, picture, name, title) {
    const stem = figure.id.replace(/^figure-/, "");
    const kinds = {
      svg: async () => new Blob([standalone(picture, name)], { type: "image/svg+xml" }),
      png: () => rastered(picture, name),
      csv: async () => new Blob([await unpacked(figure)], { type: "text/csv" }),
    };
    const buttons = element("p", { class: "files" });
    for (const [kind, make] of Object.entries(kinds)) {
      if (kind === "csv" && (!packed(figure) || !window.DecompressionStream)) continue;
      const label = say(`save_${kind}`, { title });
      const button = element("button", { type: "button", "aria-label": label, title: label }, kind.toUpperCase());
      button.addEventListener("click", async () => save(`${stem}.${kind}`, await make()));
      buttons.append(button);
    }
    return buttons;
  }
  function save(name, blob) {
    const address = URL.createObjectURL(blob);
    element("a", { href: address, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
  }
  // The picture as a file of its own: on light ground, with its fonts, without what the reader pointed at.
  function standalone(picture, name) {
    const copy = picture.cloneNode(true);
    copy.querySelector(".marks")?.remove();
    copy.prepend(name.cloneNode(true));
    for (const told of ["data-frames", "data-kind", "aria-label", "id"]) copy.removeAttribute(told);
    for (const part of [copy, ...copy.querySelectorAll("*")]) {
      for (const attribute of part.attributes) {
        const { value } = attribute;
        if (value.includes("var(--")) {
          attribute.value = value.replace(/var\(--(\w+)\)/g, (whole, ink) => settings.ink[ink] || whole);
        }
      }
    }
    const style = shape("style", {}, fontsOf(copy));
    copy.prepend(style);
    return new XMLSerializer().serializeToString(copy);
  }
  function fontsOf(copy) {
    const named = [...copy.querySelectorAll("[style], [font-family]")]
      .map((part) => `${part.getAttribute("style")} ${part.getAttribute("font-family")}`).join(" ");
    const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
    const faces = rules.filter((rule) => rule instanceof CSSFontFaceRule);
    const used = faces.filter(({ style }) => {
      const family = style.getPropertyValue("font-family").replace(/["']/g, "");
      return named.includes(`'${family}'`) || named.includes(`"${family}"`);
    });
    return used.map((rule) => rule.cssText).join("\n");
  }
  async function rastered(picture, name) {
    const image = new Image();
    image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(standalone(picture, name));
    await image.decode();
    const canvas = element("canvas", { width: 2 * image.naturalWidth, height: 2 * image.naturalHeight });
    const pen = canvas.getContext("2d");
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
  }
})();
