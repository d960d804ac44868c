/* circle.js: the turn as a circle of its eight phases: live, by how much of the time each takes; in
 * slow motion and held, by which is under way. */

const circle = {segments: [], labels: [], shares: [], pinned: 0};

function arc(inner, outer, from, to) {
    const point = (radius, turn) => {
        const angle = (turn - 0.25) * 2 * Math.PI;
        return (radius * Math.cos(angle)).toFixed(2) + ' ' + (radius * Math.sin(angle)).toFixed(2);
    };
    const large = to - from > 0.5 ? 1 : 0;
    return (
        `M${point(outer, from)}A${outer} ${outer} 0 ${large} 1 ${point(outer, to)}` +
        `L${point(inner, to)}A${inner} ${inner} 0 ${large} 0 ${point(inner, from)}Z`
    );
}

function makeCircle() {
    const svg = $('circle');
    for (let phase = 1; phase <= 8; phase++) {
        const from = (phase - 1) / 8,
            middle = (from + 1 / 16 - 0.25) * 2 * Math.PI;
        const path = draw('path', {d: arc(93, 157, from + 0.003, from + 0.122), fill: `var(--p${phase})`});
        const x = 122.5 * Math.cos(middle),
            y = 122.5 * Math.sin(middle);
        const figure = draw('text', {x, y: y + 13, class: 'figure'});
        const segment = draw(
            'g',
            {class: 'phase', role: 'button', tabindex: 0, 'aria-label': phaseName(phase), 'aria-pressed': 'false'},
            path,
            draw('text', {x, y: y - 2}, phaseName(phase)),
            figure
        );
        for (const [event, shown] of [
            ['pointerenter', phase],
            ['focus', phase],
            ['pointerleave', 0],
            ['blur', 0]
        ])
            segment.addEventListener(event, () => showPhase(shown));
        const pin = () => {
            circle.pinned = circle.pinned === phase ? 0 : phase;
            circle.segments.forEach((it, at) => set(it, 'aria-pressed', at + 1 === circle.pinned));
            showPhase(phase);
        };
        segment.addEventListener('click', pin);
        segment.addEventListener('keydown', event => {
            if (event.key !== 'Enter' && event.key !== ' ') return;
            event.preventDefault();
            event.stopPropagation();
            pin();
        });
        circle.segments.push(segment);
        circle.labels.push(figure);
        svg.append(segment);
    }
    for (let phase = 0; phase <= 8; phase++) {
        const part = draw('path', {fill: `var(--p${phase})`, class: 'share'});
        circle.shares.push(part);
        svg.append(part);
    }
    circle.big = draw('text', {y: 2, class: 'big'});
    circle.over = draw('text', {y: -26, class: 'small'});
    circle.under = draw('text', {y: 22, class: 'small'});
    circle.last = draw('text', {y: 40, class: 'small'});
    svg.append(circle.over, circle.big, circle.under, circle.last);
    showPhase(0);
}

function showPhase(phase) {
    const text = $('phase-text');
    phase = phase || circle.pinned;
    text.textContent = '';
    if (phase) text.append(make('b', {}, phaseName(phase) + '. '), PHASES[phase][1] + ' ');
    else
        text.append(
            'One round of the loop is a turn: eight phases, always in this order. Colour is time: ' +
                'the inner circle is the last moment, divided. '
        );
    const link = guideLink('02-turn.html', 'The chapter on the turn');
    if (link && link.nodeName === 'A') text.append(link);
}

/* Percent as words: what rounds to 0 and is not has to be seen. */
const percent = share =>
    share <= 0 ? '' : share < 0.001 ? '<0.1 %' : digits(share * 100, share < 0.1 ? 2 : 3) + ' %';

function setCenter(over, big, under, last) {
    put(circle.over, over);
    put(circle.big, big);
    put(circle.under, under);
    put(circle.last, last);
}
function cut(text, length) {
    return text.length > length ? text.slice(0, length - 1) + '…' : text;
}

function blockedPhase(state) {
    return state.blocked ? PHASE_OF[state.blocked.kind] || 0 : 0;
}

function drawShares(shares) {
    const total = shares.reduce((sum, share) => sum + share, 0);
    let at = 0;
    circle.shares.forEach((part, phase) => {
        const share = total > 0 ? (shares[phase] || 0) / total : 0;
        /* An arc of all the circle would end where it begins, and be none. */
        set(part, 'd', share > 0.0005 ? arc(81, 89, at, at + Math.min(share, 0.9999)) : 'M0 0');
        at += share;
    });
}

function drawLive(state) {
    const rates = state.rates || {},
        isBlocked = isBlockedIn(state),
        blocked = isBlocked ? blockedPhase(state) : 0;
    const shares = state.shares || [];
    circle.segments.forEach((segment, index) => {
        const share = shares[index + 1] || 0,
            phase = index + 1;
        segment.firstChild.style.fillOpacity =
            phase === blocked ? 1 : (0.1 + 0.9 * Math.sqrt(Math.min(share, 1))).toFixed(2);
        put(circle.labels[index], percent(share));
        set(segment, 'class', phase === blocked ? 'phase blocked' : 'phase');
        if (document.activeElement !== segment)
            set(
                segment,
                'aria-label',
                phaseName(phase) + (share > 0 ? ': ' + percent(share) + ' of the time' : '')
            );
    });
    drawShares(shares);
    set($('circle'), 'class', isBlocked ? 'blocked' : null);
    if (isBlocked) {
        const by = state.blocked || {};
        setCenter(
            'blocked for',
            duration(state.blocked_ms * 1e6),
            cut(by.label || by.kind || '', 22),
            cut(by.function || '', 22)
        );
    } else {
        setCenter(
            'turn ' + count(state.turn),
            count(rates.turns) + '/s',
            'turns',
            count(rates.events) + ' events/s'
        );
    }
}

/* One phase is under way; `over` … `last` are the lines of the middle. */
function drawStep(phase, over, big, under, last) {
    circle.segments.forEach((segment, index) => {
        const isNow = index + 1 === phase;
        segment.firstChild.style.fillOpacity = isNow ? 1 : 0.12;
        put(circle.labels[index], '');
        set(segment, 'class', isNow ? 'phase current' : 'phase');
        set(segment, 'aria-label', phaseName(index + 1) + (isNow ? ': under way' : ''));
    });
    set($('circle'), 'class', null);
    drawShares([]);
    setCenter(over, big, under, last);
}

on('state', state => {
    if (document.hidden || view.isSeeking || view.mode !== 'live') return;
    if (state.held)
        drawStep(state.held.phase || 0, 'turn ' + count(state.turn), 'held', cut(state.held.what || '', 24), '');
    else drawLive(state);
});
on('hello', () => showPhase(0));
