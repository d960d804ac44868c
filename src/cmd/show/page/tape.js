/* tape.js: records drawn as a tape: one column each, in the order of time; a line for each phase of the
 * loop and each thread. A call is a bar from its begin to its return; curves lead from causes. */

const ROW = 22;

/* Which line of the drawing a record is on, and what it is called. */
function linesOf(shown) {
    const names = new Map();
    for (let phase = 0; phase <= 8; phase++)
        names.set('phase ' + phase, phase === 0 ? 'outside' : phaseName(phase));
    const threads = [...new Set(shown.map(record => record.thread))]
        .filter(thread => thread !== 0)
        .sort((a, b) => a - b);
    for (const thread of threads)
        names.set('thread ' + thread, thread === 255 ? 'other thread' : 'thread ' + thread);
    const order = [...names.keys()];
    return {
        names: [...names.values()],
        of: record => order.indexOf(record.thread === 0 ? 'phase ' + record.phase : 'thread ' + record.thread)
    };
}

/* Where there is little room: "4" for "4 timers", "t1" for "thread 1". */
const shortName = name =>
    ({'outside': '–', 'other thread': 'ot'})[name] || name.replace(/^(\d).*/, '$1').replace(/^thread /, 't');

function drawNames(svg, lines, frame) {
    lines.names.forEach((name, line) => {
        const y = line * ROW + ROW / 2;
        svg.append(
            draw('line', {x1: frame.left, x2: frame.width, y1: y, y2: y, class: 'line'}),
            draw('text', {x: frame.left - 8, y: y + 4, class: 'name'}, frame.isNarrow ? shortName(name) : name)
        );
    });
}

/* From cause to effect, bent so that a line along one row is seen as well. */
function curve(x1, y1, x2, y2) {
    const lift = y1 === y2 ? -ROW * 0.8 : 0,
        middle = (x1 + x2) / 2;
    return `M${x1} ${y1}C${middle} ${y1 + lift} ${middle} ${y2 + lift} ${x2} ${y2}`;
}

const colorOf = record => (record.thread === 0 ? `var(--p${record.phase})` : 'var(--thread)');

function frameOf(svg, shown, lines) {
    const width = svg.parentElement.clientWidth || 300;
    const isNarrow = width < 560;
    const left = isNarrow ? 28 : 88;
    const step = (width - left - 14) / Math.max(1, shown.length - 1);
    return {
        width,
        isNarrow,
        left,
        step,
        height: lines.names.length * ROW + 18,
        x: index => left + 6 + index * step,
        y: record => lines.of(record) * ROW + ROW / 2
    };
}

const upright = (frame, index, name) =>
    draw('line', {x1: frame.x(index), x2: frame.x(index), y1: 0, y2: frame.height - 16, class: name});

function drawTurn(group, record, index, frame) {
    const name = (frame.isNarrow ? '' : 'turn ') + count(record.argument);
    group.append(
        upright(frame, index, 'turn'),
        draw('text', {x: frame.x(index) + 3, y: frame.height - 4, class: 'turn-name'}, name)
    );
}

/* From begin to end; without an end, to the end of the drawing. */
function drawBar(group, record, begin, end, frame) {
    const x = frame.x(begin) - 5;
    const width = end < 0 ? frame.width - x : frame.x(end) + 5 - x;
    const size = {x, y: frame.y(record) - 7, width, height: 14, rx: 7};
    group.append(draw('rect', {...size, fill: colorOf(record), class: end < 0 ? 'bar open' : 'bar'}));
}

/* All calls are drawn behind the dots. What began before the first record begins with it. */
function drawBars(group, shown, frame) {
    const open = [];
    shown.forEach((record, index) => {
        if (record.kind === 'call' || record.kind === 'begin') open.push(index);
        if (record.kind !== 'return' && record.kind !== 'done') return;
        const at = open.findLastIndex(it => shown[it].thread === record.thread);
        drawBar(group, record, at < 0 ? 0 : open.splice(at, 1)[0], index, frame);
    });
    for (const begin of open) drawBar(group, shown[begin], begin, -1, frame);
}

/* Without the marked ones only those that lead somewhere else: each record in a call has the call as its cause. */
function drawCause(group, shown, from, to, isMarked, frame) {
    if (!isMarked && !['call', 'begin', 'done', 'waited', 'event'].includes(shown[to].kind)) return;
    const d = curve(frame.x(from), frame.y(shown[from]), frame.x(to), frame.y(shown[to]));
    group.append(draw('path', {d, class: isMarked ? 'cause marked' : 'cause'}));
}

function drawDot(group, record, index, state, frame) {
    const r = state === 'current' ? 7 : state === 'marked' ? 5 : Math.min(4, frame.step * 0.45 + 1);
    group.append(
        draw('circle', {cx: frame.x(index), cy: frame.y(record), r, fill: colorOf(record), class: 'dot ' + state})
    );
}

/* Draws `shown`, with the one of number `current` in the middle of attention, and the causes `chain`
 * (a set of numbers) marked. pick(index) is called when one is chosen. */
function drawTape(svg, shown, current, chain, pick) {
    const lines = linesOf(shown);
    const frame = frameOf(svg, shown, lines);
    const back = draw('g', {});
    const front = draw('g', {});
    const at = new Map(shown.map((record, index) => [record.number, index]));
    svg.textContent = '';
    set(svg, 'viewBox', `0 0 ${frame.width} ${frame.height}`);
    set(svg, 'height', frame.height);
    drawNames(svg, lines, frame);
    drawBars(back, shown, frame);
    shown.forEach((record, index) => {
        const isCurrent = record.number === current;
        const isMarked = chain.has(record.number);
        const cause = at.get(record.cause);
        if (record.kind === 'turn') drawTurn(back, record, index, frame);
        if (isCurrent) back.append(upright(frame, index, 'cursor'));
        if (cause < index) drawCause(isMarked ? front : back, shown, cause, index, isMarked, frame);
    });
    shown.forEach((record, index) => {
        const state = record.number === current ? 'current' : chain.has(record.number) ? 'marked' : '';
        drawDot(front, record, index, state, frame);
    });
    svg.append(back, front);
    svg.onclick =
        pick &&
        (event => {
            const box = svg.getBoundingClientRect();
            const x = ((event.clientX - box.left) * frame.width) / box.width;
            const index = Math.round((x - frame.left - 6) / frame.step);
            pick(Math.max(0, Math.min(shown.length - 1, index)));
        });
}
