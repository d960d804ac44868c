/* verify_children.c: each invariant of a loop's children, broken (broken.h). */
#include "src/proc/proc.h"

#include "broken.h"

#include <signal.h>
#include <unistd.h>

static eddy_child child;

static void on_exit_of(eddy_child *ended, const eddy_exit *exit) {
    (void)ended, (void)exit;
}

static struct child_record *watch_sleeper(void) {
    pid_t pid = fork();
    if (pid == 0)
        for (;;) pause();
    ck_assert_int_gt(pid, 0);
    eddy_child_init(&child, loop);
    ck_assert_int_eq(eddy_child_watch(&child, pid, 0, on_exit_of), 0);
    return child.record;
}

static void end_sleeper(void) {
    ck_assert_int_eq(eddy_child_kill(&child, SIGKILL), 0);
    ck_assert_int_eq(test_run(loop, EDDY_RUN_DEFAULT), 0);
}

static void expect_links(struct child_record *record) {
    BREAKS(record->link.prev, &record->link, "link->prev->next == link");
    BREAKS(record->proc, NULL, "record->proc == proc");
    BREAKS(record->pid, 0, "record->pid > 0");
}

static void move(struct child_record *record, eddy_link *list) {
    link_remove(&record->link);
    link_add_last(list, &record->link);
}

START_TEST(a_child_and_its_record_have_each_other) {
    static const unsigned active = HANDLE_ACTIVE;
    struct child_record *record = watch_sleeper();
    expect_links(record);
    BREAKS(child.record, NULL, "child->record == record");
    BREAKS(child.pid, child.pid + 1, "child->pid == record->pid");
    BREAKS(child.handle.flags, child.handle.flags & (uint16_t)~active,
           "handle_is_active(&child->handle)");
    BREAKS(child.handle.loop, NULL, "child->handle.loop == proc->part.loop");
    BREAKS(child.fn, NULL, "child->fn != NULL");
    record->owner = NULL; /* which alone breaks a count */
    record->flags |= RECORD_POSTED;
    expect_broken("child != NULL");
    record->flags &= (uint8_t)~RECORD_POSTED;
    record->owner = &child;
    expect_whole();
    end_sleeper();
}
END_TEST

/* Whatever tells of it: all three lists are looked at. */
START_TEST(a_record_is_in_the_list_of_who_tells_of_it) {
    struct child_record *record = watch_sleeper();
    struct proc_part *proc = record->proc;
    eddy_link *lists[] = {&proc->watched, &proc->signalled, &proc->early};
    uint8_t flags = record->flags;
    record->flags &= (uint8_t)~RECORD_IN_SET;
    eddy_link *where = flags & RECORD_IN_SET ? &proc->watched : &proc->signalled;
    for (int i = 0; i < 3; i++) {
        move(record, lists[i]);
        expect_whole();
        expect_links(record);
        if (i > 0) BREAKS(record->flags, record->flags | RECORD_IN_SET, "list == &proc->watched");
    }
    move(record, where);
    record->flags = flags;
    if (flags & RECORD_IN_SET) BREAKS(proc->exits, -1, "proc->exits >= 0");
    end_sleeper();
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("verify_children");
    TCase *broken = tcase_create("broken");
    tcase_set_timeout(broken, 60); /* as ck_add does */
    tcase_add_checked_fixture(broken, setup, teardown);
    tcase_add_test(broken, a_child_and_its_record_have_each_other);
    tcase_add_test(broken, a_record_is_in_the_list_of_who_tells_of_it);
    suite_add_tcase(suite, broken);
    return suite;
}
