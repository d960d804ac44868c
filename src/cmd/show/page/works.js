/* works.js: what the loop works on: timers, descriptors, queues, the pool; and the line of figures. */

const STRIP_MS = [0, 1, 10, 100, 1000, 10000, 60000];

/* Where a deadline is on the strip, 0 to 1: a step for each of ten times as long. */
function stripPlace(ms) {
    return Math.log10(1 + Math.max(0, ms)) / Math.log10(1 + STRIP_MS[STRIP_MS.length - 1]);
}
function drawStrip(timers) {
    const svg = $('timer-strip'),
        width = svg.parentElement.clientWidth || 300,
        x = ms => 6 + Math.min(1, stripPlace(ms)) * (width - 22);
    set(svg, 'viewBox', `0 0 ${width} 34`);
    set(svg, 'height', 34);
    svg.textContent = '';
    svg.append(draw('line', {x1: 6, x2: width - 16, y1: 12, y2: 12, class: 'line'}));
    for (const ms of STRIP_MS)
        svg.append(
            draw('line', {x1: x(ms), x2: x(ms), y1: 7, y2: 17, class: 'line'}),
            draw(
                'text',
                {x: x(ms), y: 30},
                ms === 0 ? 'now' : ms === 1 ? '' : ms < 1000 ? ms + ' ms' : ms / 1000 + ' s'
            )
        );
    for (const timer of timers)
        svg.append(draw('circle', {cx: x(timer.due_ms), cy: 12, r: 5, fill: 'var(--p4)', class: 'dot'}));
}

function showTimers(state) {
    const timers = (state.timers || []).slice(0, 8);
    put($('timer-count'), count(state.timer_count));
    drawStrip(timers);
    list(
        $('timer-list'),
        timers,
        () => make('li', {}, make('span'), make('b')),
        (item, timer) => {
            put(item.firstChild, timer.label || 'a timer');
            put(item.lastChild, timer.due_ms <= 0 ? 'due' : duration(timer.due_ms * 1e6));
        }
    );
}

function showDescriptors(state) {
    const fds = (state.fds || []).slice(0, 24);
    put($('fd-count'), count(state.fd_count));
    list(
        $('fd-list'),
        state.fd_count > fds.length ? [...fds, null] : fds,
        () => make('li', {}, make('b'), make('span'), make('i'), make('i')),
        (item, fd) => {
            const [number, label, read, write] = item.children;
            set(item, 'class', fd ? null : 'more');
            put(number, fd ? fd.fd : '');
            put(label, fd ? fd.label || '' : 'and ' + count(state.fd_count - fds.length) + ' more');
            for (const [letter, element] of [
                ['r', read],
                ['w', write]
            ]) {
                const isWatched = fd && (fd.interest || '').includes(letter),
                    isReady = fd && (fd.ready || '').includes(letter);
                put(element, isWatched || isReady ? letter : '');
                set(element, 'class', isReady ? 'ready' : null);
                set(
                    element,
                    'title',
                    !isWatched && !isReady
                        ? null
                        : (letter === 'r' ? 'read' : 'write') + (isReady ? ': was ready' : ': watched for')
                );
            }
        }
    );
}

function showQueues(state) {
    const queues = [
        ['Inbox', state.inbox, 6, 'completions, posts and wake-ups that have come'],
        ['Deferred', state.deferred, 7, 'calls for later in the turn'],
        ['Closing', state.closing, 8, 'last callbacks to come']
    ];
    list(
        $('queues'),
        queues,
        () =>
            make(
                'div',
                {},
                make('dt'),
                make('dd', {}, make('b'), make('span', {class: 'bar'})),
                make('dd', {class: 'dim'})
            ),
        (item, [name, length, phase, what]) => {
            const [term, figure, text] = item.children;
            put(term, name);
            put(figure.firstChild, count(length));
            figure.lastChild.style.width = length > 0 ? Math.min(100, 4 + 24 * Math.log10(length)) + '%' : '0';
            figure.lastChild.style.background = `var(--p${phase})`;
            put(text, what);
        }
    );
}

function showPool(state) {
    const pool = state.pool || {threads: 0, idle: 0, max: 0, lanes: [], jobs: []},
        busy = Math.max(0, pool.threads - pool.idle);
    put($('pool-count'), `${pool.threads} of ${pool.max}`);
    const drawn = Math.min(64, Math.max(pool.max, pool.threads));
    list(
        $('pool-threads-drawn'),
        Array.from({length: drawn}),
        () => make('i'),
        (item, _, index) => set(item, 'class', index < busy ? 'busy' : index < pool.threads ? 'idle' : null)
    );
    set(
        $('pool-threads-drawn'),
        'aria-label',
        `${several(pool.threads, 'thread', 'threads')}: ${busy} at work, ${pool.idle} idle; at most ${pool.max}`
    );
    list(
        $('lanes'),
        pool.lanes || [],
        () => make('tr', {}, make('th', {scope: 'row'}), make('td'), make('td'), make('td')),
        (row, lane) =>
            [lane.name, count(lane.queued), count(lane.running), count(lane.quota)].forEach((text, index) =>
                put(row.children[index], text)
            )
    );
    list(
        $('jobs'),
        (pool.jobs || []).slice(0, 8),
        () => make('li', {}, make('span'), make('b')),
        (item, job) => {
            put(item.firstChild, (job.label || 'a job') + ' · ' + job.lane);
            put(item.lastChild, duration(job.ms * 1e6));
        }
    );
}

/* The line that stays in sight. */
let announced = 0;
function showFigures(state) {
    const rates = state.rates || {},
        load = state.load || {},
        isBlocked = isBlockedIn(state);
    const figures = [
        ['turns/s', count(rates.turns)],
        ['calls/s', count(rates.calls)],
        ['system calls/s', count(rates.system_calls)],
        ['requests/s', load.clients > 0 ? count(load.done_per_s) : '–'],
        ['p99', load.p99_us > 0 ? duration(load.p99_us * 1000) : '–'],
        [
            'timer late',
            duration(Math.max((state.late_us || {}).last || 0, isBlocked ? state.blocked_ms * 1000 : 0) * 1000)
        ],
        ['memory', memory(state.memory_kb || 0)]
    ];
    list(
        $('figures'),
        figures,
        () => make('div', {}, make('dt'), make('dd')),
        (item, [name, value]) => {
            put(item.firstChild, name);
            put(item.lastChild, value);
        }
    );
    set($('now'), 'class', state.held ? 'held' : isBlocked ? 'blocked' : null);
    if (state.held) {
        put(
            $('now-line'),
            'The loop is held' + (state.held.phase ? ' in phase ' + phaseName(state.held.phase) : '')
        );
        clearTimeout(showLine.timer);
        showLine.timer = setTimeout(() => put($('now-line'), ''), 1000);
    } else if (isBlocked) {
        const by = state.blocked || {};
        put(
            $('now-line'),
            `Blocked for ${duration(state.blocked_ms * 1e6)}` +
                (by.label || by.function ? ` by ${[by.label, by.function].filter(it => it).join(', ')}` : '')
        );
    }
    /* Heard once when it begins and once when it ends. */
    if (isBlocked && !announced && state.blocked_ms >= 200) put($('announce'), 'The loop is blocked');
    if (!isBlocked && announced >= 200) {
        put($('announce'), 'The loop goes on, after ' + duration(announced * 1e6));
        showLine('It goes on, after ' + duration(announced * 1e6));
    }
    announced = isBlocked ? state.blocked_ms : 0;
}

on('state', state => {
    if (document.hidden || view.isSeeking) return;
    for (const shows of [showFigures, showTimers, showDescriptors, showQueues, showPool]) shows(state);
});
