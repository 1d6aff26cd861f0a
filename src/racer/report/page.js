"use strict";
// Fills Bokeh's sources with the chosen laps and moves the cars; sorts tables. Bokeh calls `racerReport` when its
// figures are there, with its models by name.

window.racerReport = ({steps, shown, lines, cars, road, mapper, bar, exits}) => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const columns = new Map(facts.columns.map(column => [column.name, column]));
  const element = id => document.getElementById(id);
  const JUMP = 0.5, SAME_START = 0.5, DART = 0.42, PAPER = 690;  // m, m, rad, px
  const MIN_SPAN = {speed: 0.5, throttle: 0.5, steer: 1};  // of the color scale, so that small differences look small
  const state = {shown: [], color: "speed", meet: "time", at: 0, playing: false, last: 0};

  // ---- steps

  const value = (name, row) => {
    const column = columns.get(name);
    if (!column) return NaN;
    const level = steps.data[name][row];
    return column.packed && level === 65535 ? NaN : level * column.scale + column.offset;
  };

  const word = (name, row) => {
    const column = columns.get(name);
    const number = value(name, row);
    if (column && column.words.length) return column.words[number] ?? "";
    return Number.isNaN(number) ? "–" : number.toFixed(column.digits);
  };

  // A lap with what is needed often: its rows, its points, and time and distance that never go back.
  const lapOf = index => {
    const lap = facts.laps[index], rows = Array.from({length: lap.count}, (_, k) => lap.first + k);
    const time = running(rows.map(row => value("time", row)));
    const distance = running(rows.map(row => value("progress", row) * facts.length / 100));
    return {...lap, index, rows, time, distance, x: rows.map(row => value("X", row)), y: rows.map(row => value("Y", row))};
  };

  const running = values => {
    let top = -Infinity;
    return values.map(v => (top = Number.isNaN(v) ? top : Math.max(top, v)));
  };

  // Position of `at` among ascending values, as index and fraction of the distance to the next; clamped to the ends.
  const find = (values, at) => {
    let low = 0, high = values.length - 1;
    if (!(at > values[0])) return [0, 0];
    if (at >= values[high]) return [high, 0];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (values[middle] <= at) low = middle; else high = middle;
    }
    const gap = values[high] - values[low];
    return [low, gap > 0 ? (at - values[low]) / gap : 0];
  };

  const read = (from, to, at) => {
    const [k, fraction] = find(from, at);
    return fraction > 0 ? to[k] + fraction * (to[k + 1] - to[k]) : to[k];
  };

  const jumps = (lap, k) => !(Math.hypot(lap.x[k + 1] - lap.x[k], lap.y[k + 1] - lap.y[k]) <= JUMP);

  // s that `lap` is behind the first one at distance `at`; laps that start elsewhere cannot be compared.
  const behind = (lap, at) => {
    const first = state.shown[0];
    if (!comparable(lap) || at > first.distance.at(-1) || at > lap.distance.at(-1)) return NaN;
    return read(lap.distance, lap.time, at) - read(first.distance, first.time, at);
  };

  const comparable = lap => Math.hypot(lap.x[0] - state.shown[0].x[0], lap.y[0] - state.shown[0].y[0]) <= SAME_START;

  // ---- colors

  const paint = (row, slot) => {
    const column = columns.get(state.color);
    if (!column) return facts.colors[slot];
    const number = value(state.color, row);
    if (Number.isNaN(number)) return "#bbbbbb";
    if (column.words.length) return facts.colors[number % facts.colors.length];
    const fraction = (number - mapper.low) / (mapper.high - mapper.low);
    return hex(mapper.palette[Math.min(Math.max(Math.floor(fraction * 256), 0), 255)]);
  };

  const hex = color => typeof color === "number" ? "#" + (color >>> 8).toString(16).padStart(6, "0") : color;

  const scaleColors = () => {
    const column = columns.get(state.color);
    const classes = element("classes");
    bar.visible = Boolean(column) && !column.words.length;
    classes.hidden = !column || !column.words.length;
    classes.replaceChildren(...(column ? column.words : []).map((text, k) => legendItem(facts.colors[k % facts.colors.length], text)));
    if (!bar.visible) return;
    let low = Infinity, high = -Infinity;
    for (const lap of state.shown) for (const row of lap.rows) {
      const number = value(state.color, row);
      if (number < low) low = number;
      if (number > high) high = number;
    }
    if (!(high > low)) [low, high] = Number.isFinite(low) ? [low - 0.5, low + 0.5] : [0, 1];
    const least = MIN_SPAN[state.color] ?? 0, middle = (low + high) / 2;
    if (high - low < least) [low, high] = [middle - least / 2, middle + least / 2];
    mapper.setv({low, high});
    bar.title = column.unit ? `${column.label} (${column.unit})` : column.label;
  };

  const legendItem = (color, text) => {
    const item = document.createElement("li"), swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = color;
    item.append(swatch, text.replaceAll("_", " "));
    return item;
  };

  // ---- laps on show

  const blank = source => Object.fromEntries(Object.keys(source.data).map(name => [name, []]));

  const named = (lap, slot) => `${slot + 1}: ${lap.name}`;

  const stepsOf = (data, lap, slot) => lap.rows.forEach((row, k) => {
    const last = k === lap.rows.length - 1 || jumps(lap, k);
    const cells = {X: lap.x[k], Y: lap.y[k], X1: last ? NaN : lap.x[k + 1], Y1: last ? NaN : lap.y[k + 1],
      action: word("action", row), status: word("status", row), step: lap.step + k, color: paint(row, slot), lap: named(lap, slot)};
    for (const name in data) data[name].push(name in cells ? cells[name] : value(name, row));
  });

  const overDistance = (data, lap, slot) => lap.rows.forEach((row, k) => {
    const place = value("place", row);
    const lineEnds = k && facts.loop && Math.abs(place - data.place.at(-1)) > facts.length / 2;  // the start line
    if (lineEnds) for (const name in data) data[name].push(NaN);
    const cells = {place, delta: behind(lap, lap.distance[k]), lap: named(lap, slot)};
    for (const name in data) data[name].push(name in cells ? cells[name] : value(name, row));
  });

  const show = indices => {
    state.shown = indices.map(index => state.shown.find(lap => lap.index === index) ?? lapOf(index));
    for (const box of document.querySelectorAll(".pick")) {
      box.checked = indices.includes(Number(box.value));
      box.closest("tr").classList.toggle("on", box.checked);
    }
    draw();
    drawLines();
    stretchClock();
    say();
  };

  const draw = () => {
    scaleColors();
    const data = blank(shown);
    state.shown.forEach((lap, slot) => stepsOf(data, lap, slot));
    shown.data = data;
  };

  const drawLines = () => lines.forEach((line, slot) => {
    const data = blank(line), lap = state.shown[slot];
    if (lap) overDistance(data, lap, slot);
    if (lap || line.data.place.length) line.data = data;
  });

  const say = (text = "") => {
    const other = state.shown.slice(1).some(lap => !comparable(lap));
    const gap = other ? "Laps that begin at different places have no gap to the first one." : "";
    element("message").textContent = text || (state.shown.length ? gap : "No lap is chosen: tick some in the table of laps.");
  };

  // ---- the moment

  const along = lap => state.meet === "time" ? lap.time : lap.distance;

  const stretchClock = () => {
    const end = Math.max(0.1, ...state.shown.map(lap => along(lap).at(-1)));
    const slider = element("moment");
    slider.max = end;
    state.at = Math.min(state.at, end);
    moveTo(state.at);
  };

  const moveTo = at => {
    state.at = at;
    const unit = state.meet === "time" ? "s" : "m";
    element("moment").value = at;
    element("now").textContent = `${at.toFixed(2)} ${unit}`;
    element("moment").setAttribute("aria-valuetext", element("now").textContent);
    const spots = state.shown.map(lap => spotOf(lap, at));
    cars.data = carData(spots);
    element("readout").tBodies[0].replaceChildren(...spots.map(readoutRow));
    if (element("follow").checked && spots.length) center(spots[0].x, spots[0].y);
  };

  const spotOf = (lap, at) => {
    const [k, fraction] = find(along(lap), at);
    const part = fraction > 0 && !jumps(lap, k) ? fraction : 0, next = part ? k + 1 : k;
    const blend = (from, to) => from + part * (to - from);
    return {lap, k, row: lap.rows[k], x: blend(lap.x[k], lap.x[next]), y: blend(lap.y[k], lap.y[next]),
      time: blend(lap.time[k], lap.time[next]), gap: behind(lap, blend(lap.distance[k], lap.distance[next]))};
  };

  const carData = spots => {
    const data = blank(cars);
    spots.forEach((spot, k) => {
      const back = value("yaw", spot.row) * Math.PI / 180 + Math.PI;
      const cells = {X: spot.x, Y: spot.y, left: back - DART, right: back + DART, delta: spot.gap,
        place: value("place", spot.row), speed: value("speed", spot.row), color: facts.colors[k], label: String(k + 1)};
      for (const name in data) data[name].push(cells[name]);
    });
    return data;
  };

  const readoutRow = (spot, k) => {
    const row = document.createElement("tr");
    const number = (name, digits) => { const v = value(name, spot.row); return Number.isNaN(v) ? "–" : v.toFixed(digits); };
    const gap = k === 0 ? "" : Number.isNaN(spot.gap) ? "–" : (spot.gap < 0 ? "−" : "+") + Math.abs(spot.gap).toFixed(2);
    const texts = [k + 1, spot.lap.name, spot.time.toFixed(2), number("speed", 2), number("throttle", 2), number("steer", 1),
      number("reward", 3), number("progress", 1), number("waypoint", 0), gap];
    texts.forEach((text, i) => {
      const cell = row.insertCell();
      cell.className = i === 1 ? "word" : "number";
      cell.append(...(i === 0 ? legendItem(facts.colors[k], String(text)).childNodes : [String(text)]));
    });
    return row;
  };

  const play = on => {
    const end = Number(element("moment").max);
    if (on && state.at >= end - 1e-6) moveTo(0);
    state.playing = on && state.shown.length > 0;
    state.last = performance.now();
    element("play").textContent = state.playing ? "❚❚ Pause" : "▶ Race";
    element("play").setAttribute("aria-pressed", String(state.playing));
    if (state.playing) requestAnimationFrame(tick);
  };

  const tick = now => {
    if (!state.playing) return;
    const end = Number(element("moment").max), pace = state.meet === "time" ? 1 : facts.length / 10;
    const next = state.at + (now - state.last) / 1000 * pace * Number(element("rate").value);
    state.last = now;
    moveTo(Math.min(next, end));
    if (next >= end) play(false); else requestAnimationFrame(tick);
  };

  // ---- the part of the map

  const ranges = () => [road.x_range, road.y_range];

  const zoom = factor => ranges().forEach(range => {
    const middle = (range.start + range.end) / 2, half = (range.end - range.start) / 2 / factor;
    range.setv({start: middle - half, end: middle + half});
  });

  const shift = (dx, dy) => ranges().forEach((range, k) => {
    const by = (range.end - range.start) * (k ? dy : dx);
    range.setv({start: range.start + by, end: range.end + by});
  });

  const center = (x, y) => ranges().forEach((range, k) => {
    const half = (range.end - range.start) / 2, middle = k ? y : x;
    range.setv({start: middle - half, end: middle + half});
  });

  const home = ranges().map(range => [range.start, range.end]);
  let whole = home, frame = null;  // m from and to in both directions with all of the track; px, the size that this is for

  // All of the track in a frame of this size, a meter being as long in both directions.
  const wholeIn = size => {
    const meters = Math.max(...home.map(([start, end], k) => (end - start) / size[k]));
    return home.map(([start, end], k) => [(start + end - meters * size[k]) / 2, (start + end + meters * size[k]) / 2]);
  };

  const wholeTrack = () => ranges().forEach((range, k) => range.setv({start: whole[k][0], end: whole[k][1]}));

  const isWhole = () => ranges().every((range, k) => Math.hypot(range.start - whole[k][0], range.end - whole[k][1]) < 1e-6);

  // The frame has another size, which other labels of the axes do, too: whoever saw all of the track still does, and
  // any other part of it stays in the middle, as large as it was.
  const fitFrame = () => {
    const {width, height} = Bokeh.index.get_by_id(road.id).frame.bbox;
    if (!(width > 0 && height > 0)) return;
    const wasWhole = isWhole(), before = frame ?? [width, height];
    frame = [width, height];
    whole = wholeIn(frame);
    ranges().forEach((range, k) => {
      const middle = (range.start + range.end) / 2, half = (range.end - range.start) / 2 * frame[k] / before[k];
      range.setv({start: middle - half, end: middle + half, reset_start: whole[k][0], reset_end: whole[k][1]});
    });
    if (wasWhole) wholeTrack();
  };

  const fitPaper = () => {
    const fraction = Math.min(1, PAPER / element("summary").clientWidth);
    document.documentElement.style.setProperty("--paper", fraction.toFixed(3));
  };

  const keys = {ArrowLeft: () => shift(-0.1, 0), ArrowRight: () => shift(0.1, 0), ArrowUp: () => shift(0, 0.1),
    ArrowDown: () => shift(0, -0.1), "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: wholeTrack};

  // ---- tables

  const sortable = table => [...table.tHead.rows[0].cells].forEach((head, k) => {
    head.querySelector("button")?.addEventListener("click", () => sort(table, head, k));
  });

  const sort = (table, head, k) => {
    const down = head.getAttribute("aria-sort") === "ascending", body = table.tBodies[0];
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const numeric = head.classList.contains("number");
    const keyOf = row => {
      const text = row.cells[k].dataset.value ?? row.cells[k].textContent;
      return numeric ? (text === "" ? NaN : Number(text)) : text;
    };
    const rows = [...body.rows].map(row => [keyOf(row), row]);
    rows.sort(([a], [b]) => numeric ? byNumber(a, b, down) : (down ? -1 : 1) * a.localeCompare(b, "en", {numeric: true}));
    body.append(...rows.map(([, row]) => row));
  };

  const byNumber = (a, b, down) => {
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);  // what is unknown comes last
    return down ? b - a : a - b;
  };

  const filter = () => {
    for (const box of document.querySelectorAll(".pick")) {
      box.closest("tr").hidden = element("complete-only").checked && !facts.laps[Number(box.value)].complete;
    }
  };

  // ---- the other figures: one after the other, when the track is there

  const ready = () => {
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
    drawNext();
  };

  const drawNext = () => {
    const next = window.racerLater.shift();
    if (next) next();
    if (next) setTimeout(drawNext, 30); else document.documentElement.dataset.complete = String(Math.round(performance.now()));
  };

  // ---- wiring

  const picked = event => {
    if (!event.target.classList.contains("pick")) return;
    const index = Number(event.target.value), now = state.shown.map(lap => lap.index);
    if (event.target.checked && now.length === lines.length) {
      event.target.checked = false;
      say(`No more than ${lines.length} laps race at a time: untick one first.`);
      return;
    }
    show(event.target.checked ? [...now, index] : now.filter(other => other !== index));
  };

  const colors = [...facts.columns.map(column => [column.name, column.label]), ["lap", "Lap"]];
  element("color").replaceChildren(...colors.map(([name, label]) => new Option(label, name, false, name === state.color)));
  element("color").addEventListener("change", event => { state.color = event.target.value; draw(); });
  element("meet").addEventListener("change", event => { state.meet = event.target.value; state.at = 0; stretchClock(); });
  element("moment").addEventListener("input", event => { play(false); moveTo(Number(event.target.value)); });
  element("play").addEventListener("click", () => play(!state.playing));
  element("fastest").addEventListener("click", () => show(facts.fastest));
  element("clear").addEventListener("click", () => { play(false); show([]); });
  element("closer").addEventListener("click", () => zoom(1.5));
  element("farther").addEventListener("click", () => zoom(1 / 1.5));
  element("whole").addEventListener("click", wholeTrack);
  element("follow").addEventListener("change", event => { if (event.target.checked) { zoom(3); moveTo(state.at); } else wholeTrack(); });
  element("exits").addEventListener("change", event => { exits.visible = event.target.checked; });
  element("complete-only").addEventListener("change", filter);
  element("map").addEventListener("keydown", event => {
    if (!(event.key in keys) || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  element("laps").addEventListener("change", picked);
  for (const form of document.forms) form.addEventListener("submit", event => event.preventDefault());
  document.querySelectorAll("table.sortable").forEach(sortable);
  road.properties.inner_width.change.connect(() => { fitPaper(); fitFrame(); });
  fitPaper();
  road.properties.inner_height.change.connect(fitFrame);
  if (window.innerWidth < 640) road.height = Math.round(0.65 * road.height);
  fitFrame();
  show(facts.first);
  ready();
};
