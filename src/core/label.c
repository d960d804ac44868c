/* label.c: names for handles and requests, found by their addresses.
 *
 * The callers' labels are chained in buckets. More buckets are only faster: the first one is inside
 * the part, and where memory for others is wanting the chains get longer. So only the part itself,
 * which comes with a loop's first label, can fail.
 *
 * Invariant: a label is in the bucket of its address exactly while its `what` is not NULL; of two
 * on one address, the one that was set last comes first.
 * Threading: loop thread only. */
#include "label.h"

#include "callback.h"
#include "check.h"
#include "loop.h"
#include "room.h"
#include "trace.h"
#include "verify.h"

#include <errno.h>
#include <string.h>

enum {
    LABEL_MARK = 0x1ABE15,
    LABEL_BUCKETS_MIN = 16,
};
ROOM_FITS(ROOM_OF(sizeof(struct label_part)) + 2 * LABEL_BUCKETS_MIN * sizeof(eddy_label *),
          EDDY_LABELS_BYTES(0));

static bool label_is_initialised(const eddy_label *label) {
    return label->mark == LABEL_MARK;
}

/* --- The table --- */

/* The upper half of the product depends on all bits that addresses differ in. */
static eddy_label **label_bucket(eddy_label **buckets, size_t count, const void *what) {
    uint64_t hash = (uint64_t)(uintptr_t)what * UINT64_C(0x9E3779B97F4A7C15);
    return &buckets[(size_t)((hash >> 32) * count >> 32)];
}

static void label_open(struct part *part) {
    struct label_part *it = (struct label_part *)part;
    it->buckets = &it->first;
    it->count = 1;
}

static void label_free_buckets(struct label_part *it) {
    if (it->buckets != &it->first)
        eddy__resize(it->part.loop, it->buckets, it->count * sizeof *it->buckets, 0);
}

static void label_push(eddy_label **bucket, eddy_label *label) {
    label->next = *bucket;
    *bucket = label;
}

/* From the last one on, so that what was set last is first again. */
static void label_move_chain(eddy_label *chain, eddy_label **buckets, size_t count) {
    eddy_label *reversed = NULL;
    for (eddy_label *label = chain, *next; label != NULL; label = next) {
        next = label->next;
        label_push(&reversed, label);
    }
    for (eddy_label *label = reversed, *next; label != NULL; label = next) {
        next = label->next;
        label_push(label_bucket(buckets, count, label->what), label);
    }
}

/* Without memory all stays as it is, and the next label tries again. */
static void label_grow(struct label_part *it) {
    size_t count = LABEL_BUCKETS_MIN;
    while (count <= it->labels) count *= 2;
    eddy_label **buckets = eddy__resize(it->part.loop, NULL, 0, count * sizeof *buckets);
    if (buckets == NULL) return;
    memset(buckets, 0, count * sizeof *buckets);
    for (size_t i = 0; i < it->count; i++) label_move_chain(it->buckets[i], buckets, count);
    label_free_buckets(it);
    it->buckets = buckets;
    it->count = count;
}

static void label_put_in(struct label_part *it, eddy_label *label) {
    if (it->labels >= it->count) label_grow(it);
    eddy_label **bucket = label_bucket(it->buckets, it->count, label->what);
    EDDY_ASSERT(*bucket != label);
    label_push(bucket, label);
    it->labels++;
}

static void label_take_out(struct label_part *it, eddy_label *label) {
    eddy_label **at = label_bucket(it->buckets, it->count, label->what);
    while (*at != label) {
        EDDY_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = label->next;
    it->labels--;
}

/* --- The part --- */

static int label_close(struct part *part) {
    label_free_buckets((struct label_part *)part);
    return 0;
}

static const char *label_verify_bucket(const struct label_part *it, size_t number, size_t *found) {
    for (const eddy_label *label = it->buckets[number]; label != NULL; label = label->next) {
        HOLDS(label_is_initialised(label));
        HOLDS(label->loop == it->part.loop);
        HOLDS(label->what != NULL && label->text != NULL);
        HOLDS(label_bucket(it->buckets, it->count, label->what) == &it->buckets[number]);
        HOLDS(++*found <= it->labels); /* nor does a chain lead back into itself */
    }
    return NULL;
}

static const char *label_verify(const struct part *part) {
    const struct label_part *it = (const struct label_part *)part;
    size_t found = 0;
    HOLDS((it->buckets == &it->first) == (it->count == 1));
    HOLDS((it->count & (it->count - 1)) == 0);
    for (size_t i = 0; i < it->count; i++) {
        const char *broken = label_verify_bucket(it, i, &found);
        if (broken != NULL) return broken;
    }
    HOLDS(found == it->labels);
    return NULL;
}

static const char *label_tell(const struct part *part, const void *what) {
    const struct label_part *it = (const struct label_part *)part;
    const eddy_label *label = *label_bucket(it->buckets, it->count, what);
    while (label != NULL && label->what != what) label = label->next;
    return label != NULL ? label->text : NULL;
}

static const struct part_kind label_kind = {
    .bytes = sizeof(struct label_part),
    .open = label_open,
    .close = label_close,
    .verify = label_verify,
    .label = label_tell,
};

#ifdef EDDY_CHECKS
/* Whatever the label itself says. */
static bool label_is_chained(eddy_loop *loop, const eddy_label *label) {
    const struct label_part *it = (struct label_part *)eddy__part_find(loop, &label_kind);
    for (size_t i = 0; it != NULL && i < it->count; i++)
        for (const eddy_label *at = it->buckets[i]; at != NULL; at = at->next)
            if (at == label) return true;
    return false;
}
#endif

/* A trace has a copy of what is told of that address by now. */
static void label_trace(eddy_loop *loop, const void *what) {
    eddy_trace *trace = atomic_load_explicit(&loop->trace, memory_order_relaxed);
    if (trace != NULL) trace->set_label(trace, what, eddy__part_label(loop, what));
}

void eddy__label_each(eddy_loop *loop,
                      void (*fn)(void *context, const void *what, const char *text),
                      void *context) {
    const struct label_part *it = (struct label_part *)eddy__part_find(loop, &label_kind);
    for (size_t i = 0; it != NULL && i < it->count; i++)
        for (const eddy_label *label = it->buckets[i]; label != NULL; label = label->next)
            VISIT(fn, context, label->what, eddy__part_label(loop, label->what));
}

/* --- The public functions --- */

void eddy_label_init(eddy_label *label, eddy_loop *loop) {
    EDDY_CHECK(!label_is_chained(loop, label));
    *label = (eddy_label){.loop = loop, .mark = LABEL_MARK};
}

int eddy_label_set(eddy_label *label, const void *what, const char *text) {
    EDDY_ASSERT(label_is_initialised(label));
    EDDY_ASSERT(what != NULL);
    EDDY_ASSERT(text != NULL);
    CHECK_CHANGE(label->loop);
    struct label_part *it = (struct label_part *)eddy__part_of(label->loop, &label_kind);
    if (it == NULL) return -ENOMEM;
    if (label->what != NULL) label_take_out(it, label);
    label->what = what;
    label->text = text;
    label_put_in(it, label);
    label_trace(label->loop, what);
    return 0;
}

void eddy_label_clear(eddy_label *label) {
    EDDY_ASSERT(label_is_initialised(label));
    if (label->what == NULL) return;
    CHECK_CHANGE(label->loop);
    struct label_part *it = (struct label_part *)eddy__part_find(label->loop, &label_kind);
    EDDY_ASSERT(it != NULL);
    label_take_out(it, label);
    label_trace(label->loop, label->what);
    label->what = NULL;
}

const char *eddy_label_of(const eddy_loop *loop, const void *what) {
    CHECK_THREAD(loop);
    return eddy__part_label(loop, what);
}
