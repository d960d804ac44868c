/* base.js: elements, figures in words, and what the parts of the page tell each other. */

const $ = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';

/* Text goes into elements as text, never as HTML: labels come from programs. */
function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes || {}))
        if (value !== null && value !== undefined && value !== false)
            element.setAttribute(name, value === true ? '' : value);
    element.append(...children.filter(child => child !== null));
    return element;
}
const make = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const draw = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

/* What has not changed is not touched: readers of the screen and selections stay where they are. */
function put(element, text) {
    if (element.textContent !== String(text)) element.textContent = text;
}
function set(element, name, value) {
    if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}
/* Makes `parent` have a child for each item, of which the old ones are used again. */
function list(parent, items, create, update) {
    while (parent.children.length > items.length) parent.lastElementChild.remove();
    while (parent.children.length < items.length) parent.append(create());
    items.forEach((item, index) => update(parent.children[index], item, index));
}

const digits = (value, count = 3) => {
    if (value === 0) return '0';
    const places = Math.max(0, count - 1 - Math.floor(Math.log10(Math.abs(value))));
    return value.toLocaleString('en', {minimumFractionDigits: 0, maximumFractionDigits: Math.min(places, 20)});
};
/* 231 ns, 1.11 µs, 21.9 ms, 1 s */
function duration(ns) {
    if (ns === null || ns === undefined || Number.isNaN(ns)) return '–';
    const size = Math.abs(ns);
    if (size >= 999.5e6) return digits(ns / 1e9) + ' s';
    if (size >= 999.5e3) return digits(ns / 1e6) + ' ms';
    if (size >= 999.5) return digits(ns / 1e3) + ' µs';
    return digits(ns) + ' ns';
}
const count = value => (value === null || value === undefined ? '–' : Math.round(value).toLocaleString('en'));
const memory = kb => (kb >= 1024 ? digits(kb / 1024) + ' MiB' : count(kb) + ' KiB');
const several = (number, one, many) => count(number) + ' ' + (number === 1 ? one : many);

const PHASES = [
    ['outside', 'Outside of a turn: hooks before the wait, or what the program does between two runs.'],
    ['flush', 'Changes of interest go to the backend, new jobs to the pool.'],
    ['wait', 'The only place to sleep: until a descriptor is ready or the next timer is due, or not at all.'],
    ['clock', 'The clock is read once: it is the same for all callbacks of the turn.'],
    ['timers', 'Timers that were due when the clock was read, in the order of their deadlines.'],
    ['ready', 'Descriptors that are ready: accepts, reads, writes.'],
    ['inbox', 'What others sent: jobs that the pool has done, posted calls, wake-ups; signals last.'],
    ['deferred', 'Calls put off until later in the turn, and the writes that streams gathered.'],
    ['closing', 'The last callbacks of what was closed. Then its memory is free.']
];
const phaseName = phase => phase + ' ' + PHASES[phase][0];
/* In which phase a callback of such an object runs. */
const PHASE_OF = {
    timer: 4,
    io: 5,
    stream: 5,
    listener: 5,
    connect: 5,
    write: 7,
    wake: 6,
    signal: 6,
    post: 6,
    work: 6,
    file: 6,
    child: 6,
    defer: 7,
    close: 8
};

const view = {
    hello: null,
    state: null,
    mode: 'live' /* or 'slow', 'held' */,
    recorded: false /* the session is a recording: nothing can be asked for */,
    now: () => performance.now() /* ms; of a recording: its own */
};

/* A callback lasts: longer than any should, and not because somebody holds the loop. */
const BLOCKED_MS = 20;
const isBlockedIn = state => state.blocked_ms >= BLOCKED_MS && !state.held;

const handlers = {};
function on(event, handler) {
    (handlers[event] = handlers[event] || []).push(handler);
}
function tell(event, data) {
    for (const handler of handlers[event] || []) handler(data);
}

/* Asks the server for something; what it refuses is said. */
async function act(action, fields) {
    if (view.recorded) {
        tell('said', {text: 'This is a recorded session: nothing can be changed in it.'});
        return false;
    }
    try {
        const answer = await fetch('/do', {method: 'POST', body: new URLSearchParams({action, ...fields})});
        if (answer.ok) return true;
        tell('said', {text: action + ': ' + ((await answer.text()).trim().slice(0, 200) || 'refused')});
    } catch {
        tell('said', {text: action + ': the server does not answer'});
    }
    return false;
}
async function ask(path) {
    const answer = await fetch(path);
    if (!answer.ok) throw new Error((await answer.text()).trim().slice(0, 200) || 'the server does not have it');
    return answer;
}

/* Where the guide is, if the server was given it or this page is a part of it; else names are text. */
function guideAt() {
    const embedded = $('recorded');
    return embedded ? embedded.dataset.guide || null : view.hello && view.hello.guide ? '/guide/' : null;
}
function guideLink(path, text) {
    if (!path) return null;
    const name = path.replace(/^\/?guide\//, '');
    return guideAt() === null ? make('span', {}, text) : make('a', {href: guideAt() + name}, text);
}
/* `isShort`: only the last part of the path is shown. */
function sourceLink(source, isShort) {
    if (!source) return null;
    const [path, line] = source.split(':');
    const name = make('code', {title: source}, isShort ? source.replace(/.*\//, '') : source);
    return guideAt() === null
        ? name
        : make('a', {href: guideAt() + 'source/' + path + '.html' + (line ? '#L' + line : '')}, name);
}

const isCalm = matchMedia('(prefers-reduced-motion: reduce)');
const colors = {};
function readColors() {
    const style = getComputedStyle(document.documentElement);
    for (const name of [
        'fg',
        'dim',
        'line',
        'bg',
        'link',
        'second',
        'bad',
        'p0',
        'p1',
        'p2',
        'p3',
        'p4',
        'p5',
        'p6',
        'p7',
        'p8'
    ])
        colors[name] = style.getPropertyValue('--' + name).trim();
}
