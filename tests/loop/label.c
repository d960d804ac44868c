/* label.c: what a label says is told of its address until it is cleared, whatever memory there is,
 * and however many others there are. */
#include "memory.h"
#include "misuse.h"
#include "sanitized.h"
#include "system.h"

static void expect(const eddy_loop *loop, const void *what, const char *text) {
    ck_assert_ptr_eq(eddy_label_of(loop, what), text);
}

static void set(eddy_label *label, const void *what, const char *text) {
    ck_assert_int_eq(eddy_label_set(label, what, text), 0);
}

static void expect_whole(const eddy_loop *loop) {
    const char *broken = NULL;
    ck_assert_msg(eddy_loop_verify(loop, &broken) == 0, "%s", broken);
}

/* --- One, and two --- */

START_TEST(a_label_is_told_until_it_is_cleared) {
    eddy_loop *loop = test_loop_open();
    eddy_label label;
    eddy_timer timer, other;
    expect(loop, &timer, NULL); /* nobody has used a label yet */
    eddy_label_init(&label, loop);
    eddy_label_clear(&label);
    expect(loop, &timer, NULL);
    set(&label, &timer, "silence");
    expect(loop, &timer, "silence");
    expect(loop, &other, NULL);
    expect(loop, NULL, NULL);
    set(&label, &timer, "report");
    expect(loop, &timer, "report");
    set(&label, &other, "other");
    expect(loop, &timer, NULL);
    expect(loop, &other, "other");
    for (int i = 0; i < 2; i++) {
        eddy_label_clear(&label);
        expect(loop, &other, NULL);
        expect_whole(loop);
    }
    set(&label, &timer, "again");
    expect(loop, &timer, "again");
    eddy_label_clear(&label);
    test_loop_close(loop);
}
END_TEST

/* Whichever goes first, and whether there is a larger table by then. */
START_TEST(of_two_labels_on_an_address_the_last_that_was_set_is_told) {
    enum { OTHERS = 200 };
    static eddy_label others[OTHERS];
    static const char names[3][8] = {"first", "second", "third"};
    eddy_loop *loop = test_loop_open();
    eddy_label labels[3];
    int what;
    for (int i = 0; i < 3; i++) eddy_label_init(&labels[i], loop);
    for (int many = 0; many < 2; many++) {
        for (int i = 0; i < 3; i++) set(&labels[i], &what, names[i]);
        expect(loop, &what, names[2]);
        for (int i = 0; many && i < OTHERS; i++) {
            eddy_label_init(&others[i], loop);
            set(&others[i], &others[i], "other");
            expect(loop, &what, names[2]); /* also where the table has just grown */
        }
        eddy_label_clear(&labels[2]);
        expect(loop, &what, names[1]);
        set(&labels[0], &what, names[0]);
        expect(loop, &what, names[0]);
        eddy_label_clear(&labels[1]); /* which is behind it */
        expect(loop, &what, names[0]);
        expect_whole(loop);
        eddy_label_clear(&labels[0]);
        expect(loop, &what, NULL);
    }
    for (int i = 0; i < OTHERS; i++) eddy_label_clear(&others[i]);
    test_loop_close(loop);
}
END_TEST

/* --- Many --- */

enum { MANY = 100000 };

static size_t count; /* MANY, or fewer where somebody looks on */

/* What the labels say, told by a table of the test's: of each address by its place. */
static struct {
    eddy_label label;
    size_t what; /* MANY: it is not set */
} many[MANY];
static struct {
    eddy_timer timer; /* as far apart as handles are */
    size_t label;     /* MANY: none */
    char text;
} things[MANY];
static size_t order[MANY];

static void shuffle(unsigned long long *state) {
    for (size_t i = 0; i < count; i++) order[i] = i;
    for (size_t i = count - 1; i > 0; i--) {
        size_t j = random_below(state, (unsigned)i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static void expect_thing(const eddy_loop *loop, size_t what) {
    bool has_label = things[what].label != MANY;
    expect(loop, &things[what].timer, has_label ? &things[what].text : NULL);
}

static void expect_all_things(const eddy_loop *loop) {
    for (size_t i = 0; i < count; i++) expect_thing(loop, i);
    expect_whole(loop);
}

static void many_clear(size_t label) {
    if (many[label].what != MANY) things[many[label].what].label = MANY;
    many[label].what = MANY;
    eddy_label_clear(&many[label].label);
}

static void many_set(size_t label, size_t what) {
    if (things[what].label != MANY) many_clear(things[what].label);
    if (many[label].what != MANY) things[many[label].what].label = MANY;
    many[label].what = what;
    things[what].label = label;
    set(&many[label].label, &things[what].timer, &things[what].text);
}

START_TEST(a_hundred_thousand_labels_come_and_go_in_any_order) {
    eddy_loop *loop = test_loop_open();
    unsigned long long state = 1;
    count = IS_SANITIZED || getenv("EDDY_TEST_SLOW") != NULL ? MANY / 20 : MANY;
    for (size_t i = 0; i < count; i++) {
        many[i].what = things[i].label = MANY;
        eddy_label_init(&many[i].label, loop);
    }
    shuffle(&state);
    for (size_t i = 0; i < count; i++) many_set(i, order[i]);
    expect_all_things(loop);
    for (size_t i = 0; i < count; i++) {
        size_t label = random_below(&state, (unsigned)count),
               what = random_below(&state, (unsigned)count);
        size_t before = many[label].what;
        if (random_below(&state, 3) == 0)
            many_clear(label);
        else
            many_set(label, what);
        expect_thing(loop, what);
        if (before != MANY) expect_thing(loop, before);
    }
    expect_all_things(loop);
    shuffle(&state);
    for (size_t i = 0; i < count; i++) many_clear(order[i]);
    expect_all_things(loop);
    test_loop_close(loop);
}
END_TEST

/* --- Memory --- */

enum { FEW = 100 };
static eddy_label few[FEW + 2];

/* From `fail_in` on there is none. Returns whether the first label could be set. */
static bool set_without_memory(eddy_loop *loop, struct test_memory *memory, long fail_in) {
    memory->fail_in = fail_in;
    memory->fail_on = true;
    int err = eddy_label_set(&few[0], &few[0], "first");
    ck_assert(err == 0 || (err == -ENOMEM && fail_in == 0));
    expect(loop, &few[0], err == 0 ? "first" : NULL);
    expect_whole(loop);
    for (int i = 1; i < FEW && err == 0; i++) {
        set(&few[i], &few[i], "other");
        expect(loop, &few[i], "other");
        expect(loop, &few[0], "first");
    }
    memory->fail_in = -1;
    memory->fail_on = false;
    return err == 0;
}

/* Only the first can fail. The others have longer chains, until there is memory again. */
START_TEST(a_label_that_was_once_set_needs_no_memory) {
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    for (long fail_in = 0; fail_in < 6; fail_in++) {
        eddy_loop *loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
        for (int i = 0; i < FEW + 2; i++) eddy_label_init(&few[i], loop);
        bool is_set = set_without_memory(loop, &memory, fail_in);
        ck_assert_int_eq(is_set, fail_in > 0);
        unsigned long asked = memory.asked;
        set(&few[FEW], &few[FEW], "hidden");
        set(&few[FEW + 1], &few[FEW], "last");
        if (is_set && fail_in < 4) ck_assert_uint_gt(memory.asked, asked); /* it has grown */
        expect(loop, &few[FEW], "last");
        for (int i = 1; i < FEW; i++) expect(loop, &few[i], is_set ? "other" : NULL);
        expect_whole(loop);
        for (int i = 0; i < FEW + 2; i += 2) eddy_label_clear(&few[i]);
        for (int i = 1; i < FEW; i += 2) expect(loop, &few[i], is_set ? "other" : NULL);
        expect(loop, &few[FEW], "last");
        expect_whole(loop);
        for (int i = 1; i < FEW + 2; i += 2) eddy_label_clear(&few[i]);
        test_loop_close(loop);
        ck_assert_uint_eq(memory.blocks, 0);
        ck_assert_uint_eq(memory.bytes, 0);
    }
}
END_TEST

/* --- The loop's end, and a child --- */

START_TEST(a_label_ends_with_its_loop_and_may_begin_with_another) {
    static eddy_label labels[40];
    struct test_memory memory = test_memory_make();
    eddy_allocator allocator = test_memory_allocator(&memory);
    for (int round = 0; round < 2; round++) {
        eddy_loop *loop = test_loop_open_with((eddy_loop_config){.allocator = &allocator});
        for (int i = 0; i < 40; i++) {
            eddy_label_init(&labels[i], loop);
            expect(loop, &labels[i], NULL);
            set(&labels[i], &labels[i], "label");
        }
        eddy_label before[40];
        memcpy(before, labels, sizeof labels);
        test_loop_close(loop);
        ck_assert_mem_eq(labels, before, sizeof labels);
        ck_assert_uint_eq(memory.blocks, 0);
    }
}
END_TEST

/* The labels are older than what refuses, which is a pool that another loop has as well. */
START_TEST(a_close_that_is_refused_keeps_the_labels) {
    eddy_loop *loop, *other, *loops[2];
    eddy_label label;
    eddy_loop_config config = {.backend = test_backend};
    ck_assert_int_eq(eddy_loop_open(&loop, &config), 0);
    eddy_label_init(&label, loop);
    set(&label, &loop, "loop");
    config.pool = eddy_loop_pool(loop);
    ck_assert_ptr_nonnull(config.pool);
    ck_assert_int_eq(eddy_loop_open(&other, &config), 0);
    ck_assert_int_eq(eddy_loop_close(loop), -EBUSY);
    expect(loop, &loop, "loop");
    expect_whole(loop);
    eddy_label_clear(&label);
    expect(loop, &loop, NULL);
    set(&label, &label, "label");
    expect(loop, &label, "label");
    loops[0] = other, loops[1] = loop;
    for (int i = 0; i < 2; i++) ck_assert_int_eq(eddy_loop_close(loops[i]), 0);
}
END_TEST

START_TEST(a_forked_child_keeps_the_labels) {
    eddy_loop *loop = test_loop_open();
    eddy_label labels[2];
    for (int i = 0; i < 2; i++) {
        eddy_label_init(&labels[i], loop);
        set(&labels[i], &labels[i], "label");
    }
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        child_assert(eddy_loop_after_fork(loop) == 0);
        child_assert(eddy_label_of(loop, &labels[0]) != NULL);
        eddy_label_clear(&labels[0]);
        child_assert(eddy_label_of(loop, &labels[0]) == NULL);
        child_assert(eddy_label_set(&labels[0], loop, "loop") == 0);
        child_assert(strcmp(eddy_label_of(loop, loop), "loop") == 0);
        child_assert(eddy_label_of(loop, &labels[1]) != NULL);
        child_assert(eddy_loop_verify(loop, NULL) == 0);
        _exit(0);
    }
    child_is_content(child);
    for (int i = 0; i < 2; i++) expect(loop, &labels[i], "label");
    expect(loop, loop, NULL);
    test_loop_close(loop);
}
END_TEST

/* --- Misuse --- */

static int filling;

static void set_never(eddy_loop *loop) {
    eddy_label never;
    memset(&never, filling, sizeof never);
    eddy_label_set(&never, loop, "text");
}
static void clear_never(eddy_loop *loop) {
    eddy_label never;
    (void)loop;
    memset(&never, filling, sizeof never);
    eddy_label_clear(&never);
}
static void set_on_nothing(eddy_loop *loop) {
    eddy_label label;
    eddy_label_init(&label, loop);
    eddy_label_set(&label, NULL, "text");
}
static void set_without_text(eddy_loop *loop) {
    eddy_label label;
    eddy_label_init(&label, loop);
    eddy_label_set(&label, loop, NULL);
}
static void set_initialised_again(eddy_loop *loop) {
    eddy_label label;
    for (int i = 0; i < 2; i++) {
        eddy_label_init(&label, loop);
        eddy_label_set(&label, loop, "text");
    }
}
static void clear_gone(eddy_loop *loop) {
    eddy_label label, copy;
    eddy_label_init(&label, loop);
    eddy_label_set(&label, loop, "text");
    copy = label; /* at another address it is in no chain */
    eddy_label_clear(&copy);
}

static void on_defer(eddy_defer *defer) {
    (void)defer;
}
static void set_in_a_walk(const eddy_walk_item *item, void *context) {
    (void)eddy_label_set(context, item->pointer, "text");
}
static void clear_in_a_walk(const eddy_walk_item *item, void *context) {
    (void)item;
    eddy_label_clear(context);
}
static void walk_with(eddy_loop *loop, eddy_walk_fn *fn, bool is_set) {
    eddy_label label;
    eddy_defer defer;
    eddy_label_init(&label, loop);
    eddy_defer_init(&defer, loop);
    eddy_defer_start(&defer, on_defer);
    if (is_set) eddy_label_set(&label, &defer, "text");
    eddy_loop_walk(loop, fn, &label);
}
static void set_while_walking(eddy_loop *loop) {
    walk_with(loop, set_in_a_walk, false);
}
static void clear_while_walking(eddy_loop *loop) {
    walk_with(loop, clear_in_a_walk, true);
}

START_TEST(a_label_that_is_misused_ends_the_program) {
    bool has_checks = getenv("EDDY_TEST_CHECKS") != NULL;
    static const int fillings[] = {0, 0xa5, 0xff};
    for (size_t i = 0; i < sizeof fillings / sizeof fillings[0]; i++) {
        filling = fillings[i];
        misuse_must_die("set_never", set_never, "label_is_initialised(label)");
        misuse_must_die("clear_never", clear_never, "label_is_initialised(label)");
    }
    misuse_must_die("set_on_nothing", set_on_nothing, "what != NULL");
    misuse_must_die("set_without_text", set_without_text, "text != NULL");
    misuse_must_die("set_initialised_again", set_initialised_again,
                    has_checks ? "!label_is_chained" : "*bucket != label");
    misuse_must_die("clear_gone", clear_gone, "*at != NULL");
    if (!has_checks) return;
    misuse_must_die("set_while_walking", set_while_walking, "->walking");
    misuse_must_die("clear_while_walking", clear_while_walking, "->walking");
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("label");
    ck_add(suite, "labels", a_label_is_told_until_it_is_cleared,
           of_two_labels_on_an_address_the_last_that_was_set_is_told,
           a_hundred_thousand_labels_come_and_go_in_any_order);
    ck_add(suite, "life", a_label_that_was_once_set_needs_no_memory,
           a_label_ends_with_its_loop_and_may_begin_with_another,
           a_close_that_is_refused_keeps_the_labels, a_forked_child_keeps_the_labels);
    ck_add(suite, "misuse", a_label_that_is_misused_ends_the_program);
    return suite;
}
