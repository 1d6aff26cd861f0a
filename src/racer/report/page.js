"use strict";
// Fills Bokeh's sources with the chosen laps and moves the cars; sorts tables. Bokeh calls `racerReport` when its
// figures are there, with its models by name.

window.racerReport = ({steps, shown, lines, cars, road, exits}) => {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const columns = new Map(facts.columns.map(column => [column.name, column]));
  const element = id => document.getElementById(id);
  const JUMP = 0.5, SAME_START = 0.5, DART = 0.42;  // m, m, rad
  const MIN_SPAN = {speed: 0.2, throttle: 0.2, steer: 1};  // of the color scale, so that small differences look small
  const SPREAD = [0.04, 0.995];  // of the values, that the colors tell apart: a standing start is one color
  const LINE_PX = 15, CHAR_PX = 7.2;  // of the labels beside the cars
  const state = {shown: [], color: "speed", low: 0, high: 1, meet: "time", at: 0, playing: false, last: 0};

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
    const fraction = (number - state.low) / (state.high - state.low);
    return facts.palette[Math.min(Math.max(Math.floor(fraction * 256), 0), 255)];
  };

  const scaleColors = () => {
    const column = columns.get(state.color), isScale = Boolean(column) && !column.words.length;
    const classes = element("classes");
    classes.hidden = !column || isScale;
    classes.replaceChildren(...(column ? column.words : []).map((text, k) => legendItem(facts.colors[k % facts.colors.length], text)));
    element("scale").hidden = !isScale;
    if (!isScale) return;
    const values = state.shown.flatMap(lap => lap.rows.map(row => value(state.color, row))).filter(number => !Number.isNaN(number));
    [state.low, state.high] = limits(Float64Array.from(values).sort());
    const digits = Math.max(column.digits, state.high - state.low < 1 ? 2 : 0);
    element("scale-low").textContent = state.low.toFixed(digits);
    element("scale-high").textContent = state.high.toFixed(digits);
    element("scale-label").textContent = column.unit ? `${column.label} (${column.unit})` : column.label;
    const stops = [0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1].map(part => facts.palette[Math.round(255 * part)]);
    element("scale-bar").style.background = `linear-gradient(to right, ${stops.join(", ")})`;
  };

  // Between which values the colors reach: nearly all of them, for a lap is to be seen in all of the colors.
  const limits = values => {
    if (!values.length) return [0, 1];
    const [low, high] = SPREAD.map(part => values[Math.round(part * (values.length - 1))]);
    const span = Math.max(high - low, MIN_SPAN[state.color] ?? 1e-6), middle = (low + high) / 2;
    return [middle - span / 2, middle + span / 2];
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
    state.at = Math.max(0, at);
    const unit = state.meet === "time" ? "s" : "m";
    element("moment").value = state.at;
    element("now").textContent = `${state.at.toFixed(2)} ${unit}`;
    element("moment").setAttribute("aria-valuetext", element("now").textContent);
    const spots = spotsNow();
    if (element("follow").checked && spots.length) center(spots[0].x, spots[0].y);
    cars.data = carData(spots);
    element("readout").tBodies[0].replaceChildren(...spots.map(readoutRow));
  };

  const spotsNow = () => state.shown.map(lap => spotOf(lap, state.at));

  // To the next step of the first lap, or the one before.
  const stepBy = direction => {
    if (!state.shown.length) return;
    play(false);
    const moments = along(state.shown[0]).filter(Number.isFinite);
    const next = direction > 0 ? moments.find(moment => moment > state.at + 1e-6) : moments.findLast(moment => moment < state.at - 1e-6);
    moveTo(next ?? (direction > 0 ? Math.min(moments.at(-1), Number(element("moment").max)) : 0));
  };

  const spotOf = (lap, at) => {
    const [k, fraction] = find(along(lap), at);
    const part = fraction > 0 && !jumps(lap, k) ? fraction : 0, next = part ? k + 1 : k;
    const blend = (from, to) => from + part * (to - from);
    return {lap, k, row: lap.rows[k], x: blend(lap.x[k], lap.x[next]), y: blend(lap.y[k], lap.y[next]),
      time: blend(lap.time[k], lap.time[next]), gap: behind(lap, blend(lap.distance[k], lap.distance[next]))};
  };

  // What is written beside a car: its lap, its speed, and how far it is behind the first one.
  const wordsBeside = (spot, k) => {
    const speed = value("speed", spot.row);
    const numbers = [Number.isNaN(speed) ? "" : `${speed.toFixed(1)} m/s`, k === 0 || Number.isNaN(spot.gap) ? "" : gapText(spot.gap)];
    return `${k + 1}  ${spot.lap.short}\n${numbers.filter(Boolean).join("  ")}`;
  };

  const gapText = gap => `${gap < 0 ? "−" : "+"}${Math.abs(gap).toFixed(2)} s`;

  // How far from its car each label has to stand, px, so that none lies on another or outside the map.
  const labelPlaces = (spots, texts) => {
    const {width, height} = frameSize(), [xs, ys] = ranges(), taken = [];
    return spots.map((spot, k) => {
      const x = (spot.x - xs.start) / (xs.end - xs.start) * width, y = (ys.end - spot.y) / (ys.end - ys.start) * height;
      const wide = CHAR_PX * Math.max(...texts[k].split("\n").map(line => line.length)) + 8, high = 2 * LINE_PX + 8;
      const places = [];
      for (const dy of [-high - 6, 10, -2 * high - 10, high + 16, -3 * high - 14, 2 * high + 22]) for (const dx of [14, -wide - 14]) places.push([dx, dy]);
      const boxOf = ([dx, dy]) => [x + dx, y + dy, x + dx + wide, y + dy + high];
      const isFree = place => {
        const [left, top, right, foot] = boxOf(place);
        const isInside = left >= 0 && top >= 0 && right <= width && foot <= height;
        return isInside && taken.every(([l, t, r, f]) => right < l || left > r || foot < t || top > f);
      };
      const place = places.find(isFree) ?? places[0];
      taken.push(boxOf(place), [x - 8, y - 8, x + 8, y + 8]);
      return place;
    });
  };

  const carData = spots => {
    const data = blank(cars), texts = spots.map(wordsBeside), places = labelPlaces(spots, texts);
    spots.forEach((spot, k) => {
      const back = value("yaw", spot.row) * Math.PI / 180 + Math.PI;
      const cells = {X: spot.x, Y: spot.y, left: back - DART, right: back + DART, delta: spot.gap,
        place: value("place", spot.row), speed: value("speed", spot.row), color: facts.colors[k], label: String(k + 1),
        words: texts[k], dx: places[k][0], dy: places[k][1]};
      for (const name in data) data[name].push(cells[name]);
    });
    return data;
  };

  const readoutRow = (spot, k) => {
    const row = document.createElement("tr");
    const number = (name, digits) => { const v = value(name, spot.row); return Number.isNaN(v) ? "–" : v.toFixed(digits); };
    const gap = k === 0 ? "" : Number.isNaN(spot.gap) ? "–" : gapText(spot.gap).replace(" s", "");
    const texts = [k + 1, `${spot.lap.short}, ${spot.lap.result}`, spot.time.toFixed(2), number("speed", 2), number("throttle", 2), number("steer", 1),
      number("reward", 3), number("progress", 1), number("waypoint", 0), gap];
    texts.forEach((text, i) => {
      const cell = row.insertCell();
      cell.className = i === 1 ? "word" : "number";
      if (i === 1) cell.title = spot.lap.name;
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

  // Who wants to see all of the track no longer follows a car.
  const leaveCar = () => { element("follow").checked = false; wholeTrack(); };

  const frameSize = () => Bokeh.index.get_by_id(road.id).frame.bbox;

  const isWhole = () => ranges().every((range, k) => Math.hypot(range.start - whole[k][0], range.end - whole[k][1]) < 1e-6);

  // The frame has another size: whoever saw all of the track still does, and any other part of it stays in the middle,
  // as large as it was.
  const fitFrame = () => {
    const {width, height} = frameSize();
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

  const keys = {ArrowLeft: () => shift(-0.1, 0), ArrowRight: () => shift(0.1, 0), ArrowUp: () => shift(0, 0.1),
    ArrowDown: () => shift(0, -0.1), "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: leaveCar};

  // The labels stand clear of each other in whatever part of the map is seen.
  let isLabeling = false;
  const labelSoon = () => {
    if (isLabeling || state.playing) return;
    isLabeling = true;
    requestAnimationFrame(() => { isLabeling = false; cars.data = carData(spotsNow()); });
  };

  // ---- keys of the whole page, while the track is in sight and no control has another use for them

  const onKey = event => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const {top, bottom} = element("stage").getBoundingClientRect(), target = event.target;
    if (bottom < 0 || top > window.innerHeight || target.matches("select, textarea")) return;
    if (event.key === " " && !target.matches("button, summary, input[type=checkbox]")) play(!state.playing);
    else if (event.key.startsWith("Arrow") && target.matches(".scroll, #map")) return;
    else if (event.key === "ArrowLeft") stepBy(-1);
    else if (event.key === "ArrowRight") stepBy(1);
    else return;
    event.preventDefault();
  };

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

  // A figure is in a document of its own a moment after its script ran.
  let begun = 0;
  const drawNext = () => {
    if (Bokeh.documents.length > begun) {
      window.racerLooks.dress();
      const next = window.racerLater.shift();
      if (!next) {
        document.documentElement.dataset.complete = String(Math.round(performance.now()));
        return;
      }
      begun = Bokeh.documents.length;
      next();
    }
    setTimeout(drawNext, 30);
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
  element("whole").addEventListener("click", leaveCar);
  element("back").addEventListener("click", () => stepBy(-1));
  element("ahead").addEventListener("click", () => stepBy(1));
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
  document.addEventListener("keydown", onKey);
  for (const size of ["inner_width", "inner_height"]) road.properties[size].change.connect(fitFrame);
  for (const range of ranges()) for (const end of ["start", "end"]) range.properties[end].change.connect(labelSoon);
  window.racerLooks.begin(facts.looks);
  fitFrame();
  show(facts.first);
  ready();
};
