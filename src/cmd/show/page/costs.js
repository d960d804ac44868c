/* costs.js: what memory, system calls and disks cost, on a ruler of decades that can be moved and zoomed. */

const ruler = {costs: [], from: 0, to: 9, chosen: -1, pointers: new Map()}; /* decades of ns: 1 ns to 1 s */
const RULER_HEIGHT = 210,
    RULER_ROWS = 7;

/* As `eddy bench costs --json` prints them; what could not be measured has no time. */
function readCosts(answer) {
    const rows = Array.isArray(answer) ? answer : answer.results || answer.costs || [];
    return rows
        .filter(row => !row.control)
        .map(row => {
            const time = row.time_ns !== undefined ? row.time_ns : row.median !== undefined ? row.median : row.ns;
            return {
                name: row.subject || row.bench || row.name || '',
                ns: time && typeof time === 'object' ? time.median : time
            };
        })
        .filter(cost => cost.ns > 0)
        .sort((a, b) => a.ns - b.ns);
}

async function measureCosts() {
    if (view.recorded && !view.costs) return put($('costs-text'), 'A recorded session has none.');
    put($('costs-text'), 'Measuring: it takes some seconds …');
    $('costs-measure').disabled = true;
    try {
        ruler.costs = readCosts(view.costs || (await (await ask('/costs')).json()));
        put(
            $('costs-text'),
            ruler.costs.length > 0
                ? 'Choose one to compare the others with it. Once the ruler has the focus, the wheel, + and − zoom it.'
                : 'Nothing could be measured.'
        );
    } catch (error) {
        put($('costs-text'), 'Not measured: ' + error.message);
    }
    $('costs-measure').disabled = false;
    ruler.chosen = -1;
    drawRuler();
}

function drawRuler() {
    const svg = $('ruler'),
        width = svg.clientWidth || 300,
        height = RULER_HEIGHT,
        base = height - 26;
    const x = decade => 12 + ((decade - ruler.from) / (ruler.to - ruler.from)) * (width - 24);
    ruler.width = width;
    svg.textContent = '';
    set(svg, 'viewBox', `0 0 ${width} ${height}`);
    svg.append(draw('line', {x1: 0, x2: width, y1: base, y2: base, class: 'axis'}));
    const perDecade = (width - 24) / (ruler.to - ruler.from);
    for (let decade = Math.floor(ruler.from); decade <= Math.ceil(ruler.to); decade++)
        for (let part = 1; part < 10; part++) {
            const at = x(decade + Math.log10(part));
            if (at < 0 || at > width || (part > 1 && perDecade < 60)) continue;
            svg.append(draw('line', {x1: at, x2: at, y1: base, y2: base + (part === 1 ? 9 : 4), class: 'axis'}));
            if (
                (part === 1 && (perDecade > 45 || decade % 3 === 0)) ||
                (perDecade > 300 && decade + Math.log10(part) <= 9)
            )
                svg.append(draw('text', {x: at, y: base + 21, class: 'tick'}, duration(part * 10 ** decade)));
        }
    drawCosts(svg, x, width, base);
    showCostList();
}

/* Each name on the lowest row where it has room; without any, it is in the list below. */
function drawCosts(svg, x, width, base) {
    const ends = new Array(RULER_ROWS).fill(-Infinity);
    ruler.costs.forEach((cost, index) => {
        const at = x(Math.log10(cost.ns));
        if (at < -2 || at > width + 2) return;
        const text = cost.name + ' · ' + duration(cost.ns),
            size = Math.min(text.length * 6.6, width - 8);
        const left = Math.max(2, Math.min(at - 4, width - size - 2));
        const row = ends.findIndex(end => end < left),
            y = base - 14 - row * 24;
        if (row >= 0) ends[row] = left + size + 12;
        svg.append(
            draw(
                'g',
                {class: index === ruler.chosen ? 'cost chosen' : 'cost'},
                row < 0 ? null : draw('line', {x1: at, x2: at, y1: y + 3, y2: base}),
                draw('circle', {cx: at, cy: base, r: 4.5}),
                row < 0 ? null : draw('text', {x: left, y}, text)
            )
        );
        svg.lastChild.onclick = () => choose(index);
    });
}

function choose(index) {
    ruler.chosen = ruler.chosen === index ? -1 : index;
    drawRuler();
}
function showCostList() {
    const first = ruler.costs[0],
        chosen = ruler.costs[ruler.chosen];
    list(
        $('cost-list'),
        ruler.costs,
        () => make('li', {}, make('button', {type: 'button'}, make('span'), make('b'), make('i'))),
        (item, cost, index) => {
            const button = item.firstChild,
                [name, time, factor] = button.children,
                than = chosen || first;
            put(name, cost.name);
            put(time, duration(cost.ns));
            const ratio = cost.ns / than.ns;
            put(
                factor,
                cost === than
                    ? chosen
                        ? 'compared with'
                        : 'the least'
                    : ratio >= 1
                      ? '× ' + digits(ratio, ratio >= 100 ? 2 : 3)
                      : digits(1 / ratio, 2) + ' fit in'
            );
            set(button, 'aria-pressed', String(index === ruler.chosen));
            button.onclick = () => choose(index);
        }
    );
}

/* Around `middle` (0 to 1 of the width), which stays in its place. At most all, at least half a decade. */
function zoom(factor, middle = 0.5) {
    const size = Math.max(0.5, Math.min(9, (ruler.to - ruler.from) * factor)),
        decade = ruler.from + (ruler.to - ruler.from) * middle;
    moveRuler(decade - size * middle, size);
}
function moveRuler(from, size = ruler.to - ruler.from) {
    ruler.from = Math.max(0, Math.min(9 - size, from));
    ruler.to = ruler.from + size;
    drawRuler();
}

const rulerX = event => event.clientX - $('ruler').getBoundingClientRect().left;

/* One pointer moves the ruler, two zoom it. What hardly moves is a click. */
function onRulerPointer(event) {
    const pointer = ruler.pointers.get(event.pointerId),
        x = rulerX(event);
    if (!pointer || (!pointer.isDragged && Math.abs(x - pointer.x) < 4)) return;
    if (!pointer.isDragged) $('ruler').setPointerCapture(event.pointerId);
    pointer.isDragged = true;
    const before = pointer.x,
        other = [...ruler.pointers.values()].find(it => it !== pointer);
    pointer.x = x;
    if (!other) return moveRuler(ruler.from - ((x - before) / ruler.width) * (ruler.to - ruler.from));
    const was = Math.abs(before - other.x),
        is = Math.abs(x - other.x);
    if (was > 8 && is > 8) zoom(was / is, (x + other.x) / 2 / ruler.width);
}

function makeRuler() {
    const svg = $('ruler'),
        size = () => ruler.to - ruler.from;
    svg.addEventListener(
        'wheel',
        event => {
            /* Who only scrolls past is not held up; a pinch on a touchpad comes as a wheel with Ctrl. */
            if (document.activeElement !== svg && !event.ctrlKey) return;
            event.preventDefault();
            zoom(event.deltaY > 0 ? 1.2 : 1 / 1.2, rulerX(event) / ruler.width);
        },
        {passive: false}
    );
    svg.addEventListener('pointerdown', event =>
        ruler.pointers.set(event.pointerId, {x: rulerX(event), isDragged: false})
    );
    svg.addEventListener('pointermove', onRulerPointer);
    for (const name of ['pointerup', 'pointercancel', 'pointerleave'])
        svg.addEventListener(name, event => ruler.pointers.delete(event.pointerId));
    svg.addEventListener('keydown', event => {
        const keys = {
            '+': () => zoom(1 / 1.5),
            '=': () => zoom(1 / 1.5),
            '-': () => zoom(1.5),
            'ArrowLeft': () => moveRuler(ruler.from - size() / 8),
            'ArrowRight': () => moveRuler(ruler.from + size() / 8),
            'Home': () => moveRuler(0, 9)
        };
        if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
        event.preventDefault();
        keys[event.key]();
    });
    $('costs-in').onclick = () => zoom(1 / 1.5);
    $('costs-out').onclick = () => zoom(1.5);
    $('costs-all').onclick = () => moveRuler(0, 9);
    $('costs-measure').onclick = measureCosts;
    addEventListener('resize', drawRuler);
    drawRuler();
}
