/* scenes.js: the load, the settings and the scenes, which the visitor changes, and what happened. */

const LINES_MAX = 60;
const scenes = new Map(); /* by id: {scene, button} */

function makeScenes(hello) {
    scenes.clear();
    $('scene-list').textContent = '';
    for (const scene of hello.scenes || []) {
        const button = make(
            'button',
            {type: 'button', 'aria-pressed': String(Boolean(scene.on)), id: 'scene-' + scene.id},
            scene.title
        );
        button.onclick = async () => {
            const isOn = button.getAttribute('aria-pressed') === 'true';
            addMark(isOn ? scene.id + ' off' : scene.id);
            await act('scene', {id: scene.id, on: isOn ? 0 : 1});
        };
        const links = [guideAt() && guideLink(scene.guide, 'guide'), sourceLink(scene.source, true)].filter(
            it => it
        );
        $('scene-list').append(
            make(
                'li',
                {},
                button,
                make('p', {}, scene.why),
                make(
                    'p',
                    {class: 'links dim'},
                    ...links.flatMap((link, index) => (index > 0 ? [' · ', link] : [link]))
                )
            )
        );
        scenes.set(scene.id, {scene, button});
    }
    if (location.hash.startsWith('#scene-') && $(location.hash.slice(1)))
        $(location.hash.slice(1)).scrollIntoView();
}

function makeBackends(hello) {
    for (const label of $('backends').querySelectorAll('label')) label.remove();
    for (const name of hello.backends || []) {
        const input = make('input', {type: 'radio', name: 'backend', value: name});
        input.onchange = () => {
            addMark(name);
            act('backend', {name});
        };
        $('backends').append(make('label', {class: 'check'}, input, ' ' + name));
    }
}

/* What the visitor is typing is not overwritten. */
function show(input, value) {
    if (document.activeElement !== input && input.value !== String(value)) input.value = value;
}
function showSettings(state) {
    for (const input of $('backends').querySelectorAll('input')) input.checked = input.value === state.backend;
    if (state.pool) show($('pool-threads'), state.pool.max);
    if (state.load && !$('load-form').dataset.touched) {
        show($('load-clients'), state.load.clients);
        show($('load-rate'), state.load.rate || 0);
        $('load-open').checked = Boolean(state.load.open);
    }
    for (const [id, isOn] of Object.entries(state.scenes || {}))
        if (scenes.has(id)) set(scenes.get(id).button, 'aria-pressed', String(Boolean(isOn)));
}

function makeLoad() {
    const form = $('load-form');
    for (const id of ['load-clients', 'load-rate', 'load-open'])
        $(id).addEventListener('input', () => {
            form.dataset.touched = 1;
        });
    form.onsubmit = async event => {
        event.preventDefault();
        const fields = {
            clients: $('load-clients').value || 0,
            rate: $('load-rate').value || 0,
            open: $('load-open').checked ? 1 : 0
        };
        addMark(several(Number(fields.clients), 'client', 'clients'));
        await act('load', fields);
        delete form.dataset.touched;
    };
    $('load-stop').onclick = async () => {
        addMark('no load');
        await act('load', {clients: 0, rate: 0, open: 0});
        delete form.dataset.touched;
    };
    $('pool-threads').onchange = event => {
        addMark(several(Number(event.target.value), 'thread', 'threads'));
        act('pool', {threads: event.target.value});
    };
}

/* --- What happened --- */

function addLine(text, more, isBad) {
    const time = view.recorded ? digits(view.now() / 1000) + ' s' : new Date().toLocaleTimeString('en-GB');
    const item = make(
        'li',
        {class: isBad ? 'bad' : null},
        make('time', {class: 'dim'}, time),
        make('span', {}, text)
    );
    if (more) item.append(more);
    $('log').prepend(item);
    while ($('log').children.length > LINES_MAX) $('log').lastElementChild.remove();
    showLine(text);
    return item;
}
function showLine(text) {
    put($('now-line'), text);
    clearTimeout(showLine.timer);
    showLine.timer = setTimeout(() => put($('now-line'), ''), 8000);
}

/* "on_sleep src/cmd/show/show_scenes.c:24": the line leads to the source, where there is the guide. */
function frameLine(frame) {
    const [, name, place] = /^(.*) (\S+:\d+)$/.exec(frame) || [];
    return make('li', {}, ...(place ? [make('span', {}, name + ' '), sourceLink(place)] : [frame]));
}

/* Where the thread was at the last look; names come when somebody knows them. What nobody has opened is not drawn. */
function showFrames(item, stall) {
    const frames = (stall.frames || []).slice(0, 64);
    if (frames.length === 0 && stall.no_frames) frames.push('nobody knows: ' + stall.no_frames);
    if (frames.length === 0) return;
    if (item.children.length === 2)
        item.append(make('details', {}, make('summary', {}, 'where the thread was'), make('ol', {class: 'frames'})));
    const details = item.lastElementChild;
    details.ontoggle = () => details.lastElementChild.replaceChildren(...(details.open ? frames.map(frameLine) : []));
    if (details.open) details.ontoggle();
}

/* One line for a stall, which tells more as it lasts, and once more with names of its frames. */
const stalls = []; /* {key, item, isOver} */
function onStall(stall) {
    const who = [stall.label || stall.kind, stall.function && 'in ' + stall.function].filter(it => it).join(' ');
    const phase = stall.phase ? ', phase ' + phaseName(stall.phase) : '';
    const text = (stall.over ? 'Stalled: ' : 'Is stalling: ') + who + phase + ', for ' + duration(stall.ms * 1e6);
    const key = stall.number || who;
    let known = stalls.find(it => it.key === key && (stall.number || !it.isOver));
    if (!known) {
        known = {key, item: addLine(text, null, true)};
        stalls.unshift(known);
        stalls.length = Math.min(stalls.length, 8);
    }
    known.isOver = stall.over;
    put(known.item.children[1], text);
    showFrames(known.item, stall);
}

on('hello', hello => {
    stalls.length = 0; /* another server numbers anew */
    makeScenes(hello);
    makeBackends(hello);
});
on('state', showSettings);
on('said', said => addLine(said.text || ''));
on('stall', onStall);
