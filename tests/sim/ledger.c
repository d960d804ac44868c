/* ledger.c: see ledger.h.
 * Invariant: each block that was lent is in the list `lent`; each that was given back is full of
 * poison until it leaves the quarantine. Threading: one thread of a world runs at a time. */
#include "ledger.h"
#include "sanitized.h"
#include "world.h"

#include <stdlib.h>
#include <string.h>

#ifdef WITH_ASAN
enum { QUARANTINE = 1, WITH_QUARANTINE = 0 }; /* the sanitizer's own is better */
#else
enum { QUARANTINE = 64, WITH_QUARANTINE = 1 };
#endif

enum { POISON = 0xdb, HEAD_BYTES = 64 };

#define LENT  UINT64_C(0x6c656e7420746f20)
#define GIVEN UINT64_C(0x676976656e206261)

struct block {
    uint64_t magic;
    struct block *next, *prev;
    const char *what;
    uint64_t number;
    size_t size;
    bool owed;
};
_Static_assert(sizeof(struct block) <= HEAD_BYTES, "the memory behind it is aligned for anything");

static struct {
    struct block lent; /* the head of a ring */
    struct block *given[QUARANTINE];
    unsigned given_next;
    uint64_t number;
    unsigned debts;
} ledger;

/* --- Memory --- */

static struct block *block_of(const void *memory) {
    return (struct block *)(void *)((uintptr_t)memory - HEAD_BYTES);
}

static void release(struct block *block) {
    if (block == NULL) return;
    const unsigned char *bytes = (const unsigned char *)block + HEAD_BYTES;
    for (size_t i = 0; i < block->size; i++)
        sim_check(bytes[i] == POISON, "%s %llu was written to after it was given back", block->what,
                  (unsigned long long)block->number);
    free(block);
}

void ledger_begin(void) {
    memset(&ledger, 0, sizeof ledger);
    ledger.lent.next = ledger.lent.prev = &ledger.lent;
}

void ledger_end(void) {
    const struct block *left = ledger.lent.next;
    sim_check(left == &ledger.lent, "%s %llu was never %s", left->what,
              (unsigned long long)left->number, left->owed ? "called back" : "given back");
    for (unsigned i = 0; i < QUARANTINE; i++) release(ledger.given[i]);
}

void *ledger_new(const char *what, size_t size) {
    struct block *block = calloc(1, HEAD_BYTES + size);
    if (block == NULL) sim_fail("no memory for the simulation itself");
    *block = (struct block){.magic = LENT, .what = what, .number = ++ledger.number, .size = size};
    block->next = &ledger.lent;
    block->prev = ledger.lent.prev;
    block->prev->next = block->next->prev = block;
    return (char *)block + HEAD_BYTES;
}

void ledger_look(const void *memory) {
    const struct block *block = block_of(memory);
    if (block->magic == GIVEN)
        sim_fail("%s %llu was used after it was given back", block->what,
                 (unsigned long long)block->number);
    sim_check(block->magic == LENT, "what was called back was never lent");
}

void ledger_free(void *memory) {
    if (memory == NULL) return;
    ledger_look(memory);
    struct block *block = block_of(memory);
    sim_check(!block->owed, "%s %llu is given back while its callback is owed", block->what,
              (unsigned long long)block->number);
    block->prev->next = block->next;
    block->next->prev = block->prev;
    memset(memory, POISON, block->size);
    block->magic = GIVEN;
    if (!WITH_QUARANTINE) {
        free(block);
        return;
    }
    struct block **place = &ledger.given[ledger.given_next++ % QUARANTINE];
    release(*place);
    *place = block;
}

uint64_t ledger_number(const void *memory) {
    return block_of(memory)->number;
}

/* --- Debts --- */

void ledger_owe(void *memory) {
    ledger_look(memory);
    struct block *block = block_of(memory);
    sim_check(!block->owed, "%s %llu is owed twice", block->what,
              (unsigned long long)block->number);
    block->owed = true;
    ledger.debts++;
}

void ledger_unowe(void *memory) {
    ledger_look(memory);
    block_of(memory)->owed = false;
    ledger.debts--;
}

void ledger_paid(void *memory) {
    ledger_look(memory);
    struct block *block = block_of(memory);
    sim_check(block->owed, "%s %llu is called back though nothing is owed", block->what,
              (unsigned long long)block->number);
    block->owed = false;
    ledger.debts--;
}

bool ledger_owes(const void *memory) {
    ledger_look(memory);
    return block_of(memory)->owed;
}

unsigned ledger_debts(void) {
    return ledger.debts;
}

/* --- Errors --- */

bool ledger_is_fair(void) {
    return sim_weather()->faults == 0 && sim_weather()->no_memory == 0;
}

int ledger_result(const char *what, int result) {
    sim_check(result >= 0 || !ledger_is_fair(), "%s gives %d in fair weather", what, result);
    return result;
}

/* --- Parties --- */

int party_open(struct party *party, const char *name, const eddy_loop_config *config) {
    *party = (struct party){.name = name};
    int err = ledger_result("eddy_loop_open", eddy_loop_open(&party->loop, config));
    if (err < 0) {
        party->loop = NULL;
        return err;
    }
    sim_watch_loop(party->loop);
    return 0;
}

void party_open_surely(struct party *party, const char *name, const eddy_loop_config *config) {
    enum { TRIES = 3 };
    for (int i = 0; i < TRIES; i++)
        if (party_open(party, name, config) == 0) return;
    sim_faults_off();
    int err = party_open(party, name, config);
    sim_faults_on();
    sim_check(err == 0, "eddy_loop_open gives %d though nothing fails", err);
}

static void come(struct party *party) {
    sim_check(party->thread == NULL && party->calls == 0, "%s: run inside a call", party->name);
    party->thread = sim_self();
}

static void go(struct party *party) {
    party->thread = NULL;
    sim_check(party->calls == 0, "%s: a call has not returned", party->name);
    records_look(party->records);
}

static int alive_after(struct party *party, int result) {
    if (result >= 0) return result;
    party->failed++;
    party->phase = 0; /* what could not wait may have dispatched all the same */
    (void)ledger_result("a wait", result);
    return 1;
}

int party_run(struct party *party, eddy_run_mode mode) {
    come(party);
    int result = eddy_loop_run(party->loop, mode);
    go(party);
    sim_check(result <= 1, "eddy_loop_run gives %d", result);
    if (result >= 0)
        sim_check((result == 1) == eddy_loop_is_alive(party->loop), "alive or not: %d", result);
    return alive_after(party, result);
}

void party_run_out(struct party *party) {
    enum { PAUSE_NS = 1000 };
    uint64_t failed = party->failed;
    while (party_run(party, EDDY_RUN_DEFAULT) > 0) {
        sim_progress();
        if (party->failed > failed) sim_sleep(PAUSE_NS); /* it has waited for nobody */
        failed = party->failed;
    }
}

int party_turn(struct party *party, bool may_wait) {
    int64_t timeout_ns = 0;
    come(party);
    int result = eddy_loop_prepare(party->loop, &timeout_ns);
    sim_check(result == 0 && timeout_ns >= -1, "eddy_loop_prepare gives %d", result);
    result = eddy_loop_wait(party->loop, may_wait ? timeout_ns : 0);
    if (result >= 0) {
        int alive = eddy_loop_dispatch(party->loop);
        sim_check(alive == (eddy_loop_is_alive(party->loop) ? 1 : 0), "dispatch gives %d", alive);
        result = alive;
    }
    go(party);
    return alive_after(party, result);
}

void party_flip_trace(struct party *party) {
    if (party->records == NULL)
        records_begin(&party->records, party->loop);
    else
        records_end(&party->records);
}

/* With its trace on, now and then. */
void party_close(struct party *party) {
    int err = eddy_loop_close(party->loop);
    sim_check(err == 0, "%s: eddy_loop_close gives %d", party->name, err);
    records_end(&party->records);
    party->loop = NULL;
}

uint64_t party_turns(const struct party *party) {
    eddy_metrics metrics;
    eddy_loop_read_metrics(party->loop, &metrics, sizeof metrics);
    return metrics.turns - party->failed;
}

/* What comes after the latest phase that was seen in this turn. */
static unsigned later_phases(const struct party *party) {
    return ~(party->phase - 1); /* its own bit and those above */
}

void party_callback(struct party *party, unsigned phases) {
    sim_progress();
    sim_check(party->loop != NULL, "%s: a callback of a closed loop", party->name);
    sim_check(party->calls == 0, "%s: a callback inside a call of the library", party->name);
    sim_check(party->thread == sim_self(), "%s: a callback in another thread", party->name);
    party->callbacks++;
    records_look_in_callback(party->records, phases);
    uint64_t turn = party_turns(party) + ((phases & PHASE_PREPARE) != 0); /* the wait is to come */
    if (turn != party->turn) party->phase = 0;
    party->turn = turn;
    if (phases == 0) return;
    unsigned possible = party->phase != 0 ? phases & later_phases(party) : phases;
    sim_check(possible != 0, "%s: a callback of phases %x in phase %x", party->name, phases,
              party->phase);
    party->phase = possible & (0 - possible); /* the earliest that it may be */
}
