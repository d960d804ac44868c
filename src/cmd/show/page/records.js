/* records.js: the records of the trace that are kept, each in words, and what led to what. */

const RECORDS_MAX = 20000; /* of a live loop; a recording may have more, as it ends */
const CHAIN_MAX = 8; /* a timer that starts itself has no first cause */
const records = {all: [], places: new Map(), lost: 0};

/* A descriptor has no label of its own: that of what it belongs to is known from the state. */
function labelOf(object, label) {
    const fd = /^fd (\d+)$/.exec(object || '');
    const owner = fd && !label && view.state && (view.state.fds || []).find(it => it.fd === Number(fd[1]));
    return label || (owner && owner.label ? `${owner.label} (${object})` : object) || '';
}
function recordOf(row) {
    const [number, cause, time, kind, what, phase, thread, object, argument, label] = row;
    return {number, cause, time, kind, what, phase, thread, object, argument, label: labelOf(object, label)};
}

function clearRecords() {
    records.all = [];
    records.places.clear();
    records.lost = 0;
}

/* Those of other threads may come later than their time. Returns how many of the oldest had to go. */
function addRecords(rows, most) {
    const all = records.all,
        from = all.length;
    for (const row of rows) {
        const record = recordOf(row);
        let at = all.length;
        while (at > 0 && all[at - 1].time > record.time && all.length - at < 500) at--;
        all.splice(at, 0, record);
    }
    const gone = Math.max(0, all.length - most);
    if (gone > 0) all.splice(0, gone);
    const first = gone > 0 ? 0 : Math.max(0, from - 500);
    if (gone > 0) records.places.clear();
    for (let i = first; i < all.length; i++) records.places.set(all[i].number, i);
    return gone;
}
const placeOf = number => (records.places.has(number) ? records.places.get(number) : -1);

/* The places of what led to the record, from the first cause on or CHAIN_MAX back, and the record itself. */
function causesOf(place) {
    const chain = [];
    for (let at = place; at >= 0 && chain.length < CHAIN_MAX;) {
        chain.unshift(at);
        const next = placeOf(records.all[at].cause);
        if (next < 0 || next >= at) break;
        /* A call that caused itself, as of a timer with a period: once is enough. */
        const isAgain = records.all[at].kind === 'call' && records.all[next].object === records.all[at].object;
        at = next;
        if (isAgain && records.all[at].kind === 'call') {
            chain.unshift(at);
            break;
        }
    }
    return chain;
}
/* From `place` to the next record in the direction that is such a one; itself if there is none. */
function nextPlace(place, direction, what) {
    const all = records.all;
    for (let at = place + direction; at >= 0 && at < all.length; at += direction)
        if (what === 'record' || all[at].kind === what) return at;
    return place;
}
/* The turn in which a record is: its place, or -1. */
function turnPlace(place) {
    while (place >= 0 && records.all[place].kind !== 'turn') place--;
    return place;
}

function interest(bits) {
    const words = [];
    if (bits & 1) words.push('read');
    if (bits & 2) words.push('write');
    if (bits & 4) words.push('error');
    if (bits & 8) words.push('hang-up');
    return words.join(', ') || 'nothing';
}
const bytesOrError = value =>
    value < 0
        ? value === -11
            ? 'nothing there just now (EAGAIN)'
            : 'error ' + -value
        : several(value, 'byte', 'bytes');
const LANES = ['file', 'look-up', 'CPU'];

/* What each kind tells, given the record. */
const SENTENCES = {
    'turn': r => 'Turn ' + count(r.argument) + ' begins',
    'phase': r => 'Phase ' + phaseName(r.phase) + ' begins',
    'wait': r =>
        r.argument < 0
            ? 'Waits, without a time-out'
            : r.argument === 0
              ? 'Looks, without waiting'
              : 'Waits, at most ' + duration(r.argument),
    'waited': r =>
        r.argument < 0
            ? 'The wait failed: error ' + -r.argument
            : several(r.argument, 'descriptor is', 'descriptors are') + ' ready',
    'event': r => `${r.label} is ready: ${interest(r.argument)}`,
    'stale': r => `An event of ${r.label} is dropped: it has another owner now`,
    'call': r => `Calls ${r.label}` + (/^[a-z_]\w*$/i.test(r.argument) ? `, ${r.argument}` : ''),
    'return': r => `${r.label || 'The callback'} returns after ${duration(r.argument)}`,
    'add': r => `Watches ${r.label}: ${interest(r.argument)}`,
    'modify': r => `Now watches ${r.label}: ${interest(r.argument)}`,
    'remove': r => `Watches ${r.label} no more`,
    'read': r => `Reads from ${r.label}: ${bytesOrError(r.argument)}`,
    'write': r => `Writes to ${r.label}: ${bytesOrError(r.argument)}`,
    'accept': r => `Accepts at ${r.label}: ${r.argument < 0 ? bytesOrError(r.argument) : 'fd ' + r.argument}`,
    'queue': r => `A write is asked for: ${several(r.argument, 'byte', 'bytes')}`,
    'timer-start': r => `Starts ${r.label}`,
    'timer-stop': r => `Stops ${r.label}`,
    'defer': r => `Puts ${r.label} off until phase 7`,
    'close': r => `Closes ${r.label}: its last callback comes in phase 8`,
    'post': r => `Posts ${r.label} to the loop`,
    'wake': r => `Wakes ${r.label}`,
    'signal': r => 'Signal ' + r.argument + ' has come',
    'wakeup': () => 'Wakes the sleeping loop: a byte into its pipe',
    'submit': r => `Hands ${r.label} to the pool, lane ${LANES[r.argument] || r.argument}`,
    'begin': r => `Thread ${r.thread} of the pool begins ${r.label}`,
    'done': r => `Thread ${r.thread} has done ${r.label} in ${duration(r.argument)}`,
    'cancel': r => `Cancels ${r.label}`,
    'mark': r => `A mark of the program: ${r.label} ${r.argument}`
};
const sentence = record => (SENTENCES[record.kind] || (r => r.kind + ' ' + r.label))(record);
const place = record =>
    record.thread === 0
        ? record.phase > 0
            ? 'phase ' + phaseName(record.phase)
            : 'outside of the phases'
        : record.thread === 255
          ? 'another thread'
          : 'thread ' + record.thread + ' of the pool';
