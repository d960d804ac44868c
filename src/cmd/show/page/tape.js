/* tape.js: records drawn as a tape: one column each, in the order of time; a line for each phase of the
 * loop and each thread. A call is a bar from its begin to its return; curves lead from causes. */

const ROW = 22;

/* Which line of the drawing a record is on, and what it is called. */
function linesOf(shown) {
    const names = new Map();
    for (let phase = 0; phase <= 8; phase++) names.set('phase ' + phase, phase === 0 ? 'outside' : phaseName(phase));
    const threads = [...new Set(shown.map(record => record.thread))].filter(thread => thread !== 0).sort((a, b) => a - b);
    for (const thread of threads) names.set('thread ' + thread, thread === 255 ? 'other thread' : 'thread ' + thread);
    const order = [...names.keys()];
    return {names: [...names.values()], of: record => order.indexOf(record.thread === 0 ? 'phase ' + record.phase : 'thread ' + record.thread)};
}

function drawNames(svg, lines, left, width, isNarrow) {
    lines.names.forEach((name, line) => {
        const y = line * ROW + ROW / 2;
        svg.append(draw('line', {x1: left, x2: width, y1: y, y2: y, class: 'line'}),
            draw('text', {x: left - 8, y: y + 4, class: 'name'}, isNarrow ? name.replace(/^(outside)$/, '–').replace(/^(\d).*/, '$1').replace(/^thread /, 't').replace(/^other thread$/, 'ot') : name));
    });
}

/* From cause to effect, bent so that a line along one row is seen as well. */
function curve(x1, y1, x2, y2) {
    const lift = y1 === y2 ? -ROW * 0.8 : 0, middle = (x1 + x2) / 2;
    return `M${x1} ${y1}C${middle} ${y1 + lift} ${middle} ${y2 + lift} ${x2} ${y2}`;
}

/* Draws `shown`, with the one of number `current` in the middle of attention, and the causes `chain`
 * (a set of numbers) marked. pick(index) is called when one is chosen. */
function drawTape(svg, shown, current, chain, pick) {
    const width = svg.parentElement.clientWidth || 300, isNarrow = width < 560;
    const left = isNarrow ? 28 : 88, lines = linesOf(shown), height = lines.names.length * ROW + 18;
    const step = (width - left - 14) / Math.max(1, shown.length - 1);
    const x = index => left + 6 + index * step, y = record => lines.of(record) * ROW + ROW / 2;
    svg.textContent = '';
    set(svg, 'viewBox', `0 0 ${width} ${height}`);
    set(svg, 'height', height);
    drawNames(svg, lines, left, width, isNarrow);
    const at = new Map(shown.map((record, index) => [record.number, index]));
    const back = draw('g', {}), front = draw('g', {});
    const open = [];
    shown.forEach((record, index) => {
        const color = record.thread === 0 ? `var(--p${record.phase})` : 'var(--thread)';
        const isMarked = chain.has(record.number);
        if (record.kind === 'turn') back.append(draw('line', {x1: x(index), x2: x(index), y1: 0, y2: height - 16, class: 'turn'}),
            draw('text', {x: x(index) + 3, y: height - 4, class: 'turn-name'}, (isNarrow ? '' : 'turn ') + count(record.argument)));
        if (record.kind === 'call' || record.kind === 'begin') open.push(index);
        if (record.kind === 'return' || record.kind === 'done') {
            const from = open.findLastIndex(it => shown[it].thread === record.thread);
            const begin = from < 0 ? 0 : open.splice(from, 1)[0];
            back.append(draw('rect', {x: x(begin) - 5, y: y(record) - 7, width: x(index) - x(begin) + 10, height: 14, rx: 7, fill: color, class: 'bar'}));
        }
        const cause = at.get(record.cause);
        const isCause = cause !== undefined && cause < index;
        if (isCause && (isMarked || ['call', 'begin', 'done', 'waited', 'event'].includes(record.kind)))
            (isMarked ? front : back).append(draw('path', {d: curve(x(cause), y(shown[cause]), x(index), y(record)), class: isMarked ? 'cause marked' : 'cause'}));
        const isCurrent = record.number === current;
        front.append(draw('circle', {cx: x(index), cy: y(record), r: isCurrent ? 7 : isMarked ? 5 : Math.min(4, step * 0.45 + 1), fill: color,
            class: isCurrent ? 'dot current' : isMarked ? 'dot marked' : 'dot'}));
        if (isCurrent) back.append(draw('line', {x1: x(index), x2: x(index), y1: 0, y2: height - 16, class: 'cursor'}));
    });
    for (const begin of open) { /* has not returned yet */
        const record = shown[begin];
        back.prepend(draw('rect', {x: x(begin) - 5, y: y(record) - 7, width: width - x(begin), height: 14, rx: 7,
            fill: record.thread === 0 ? `var(--p${record.phase})` : 'var(--thread)', class: 'bar open'}));
    }
    svg.append(back, front);
    svg.onclick = pick && (event => {
        const box = svg.getBoundingClientRect(), scale = width / box.width;
        const index = Math.round(((event.clientX - box.left) * scale - left - 6) / step);
        pick(Math.max(0, Math.min(shown.length - 1, index)));
    });
}
