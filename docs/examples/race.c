/* race.c: one thread, and a race all the same. Two withdrawals of 80 from an account that holds
 * 100: each looks whether there is enough, asks a bank, which takes 10 ms (a timer here), and then
 * pays. Between the question and the answer, the other one's callbacks run.
 * Read beside it: docs/16-questions.md. */
#include <eddy.h>
#include <stdio.h>

static eddy_loop *loop;
static int balance;

struct withdrawal {
    eddy_timer bank;
    int amount, seen;
};

/* --- Wrong: what was read before the wait is written after it --- */

static void on_answer_late(eddy_timer *bank) {
    struct withdrawal *it = eddy_container_of(bank, struct withdrawal, bank);
    balance = it->seen - it->amount; /* as it was 10 ms ago */
    printf("  paid %d, balance %d\n", it->amount, balance);
}

static int withdraw_wrongly(struct withdrawal *it) {
    it->seen = balance;
    if (it->seen < it->amount) return puts("  refused"), 0;
    return eddy_timer_start(&it->bank, on_answer_late, 10 * EDDY_NS_PER_MS, 0);
}

/* --- Right: what is read and written lies between two waits. Here the amount is taken at once,
 * before anybody else can run, and would be given back if the bank said no. --- */

static void on_answer(eddy_timer *bank) {
    struct withdrawal *it = eddy_container_of(bank, struct withdrawal, bank);
    printf("  paid %d, balance %d\n", it->amount, balance);
}

static int withdraw(struct withdrawal *it) {
    if (balance < it->amount) return puts("  refused"), 0;
    balance -= it->amount; /* no lock: nothing runs between these two lines */
    return eddy_timer_start(&it->bank, on_answer, 10 * EDDY_NS_PER_MS, 0);
}

static int twice(const char *what, int (*fn)(struct withdrawal *)) {
    struct withdrawal withdrawals[2] = {{.amount = 80}, {.amount = 80}};
    int err = 0;
    balance = 100;
    puts(what);
    for (int i = 0; err == 0 && i < 2; i++) {
        eddy_timer_init(&withdrawals[i].bank, loop);
        err = fn(&withdrawals[i]);
    }
    /* Both are over when it returns, or else they would go with the stack. */
    int left = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    return err < 0 ? err : left;
}

int main(void) {
    if (eddy_loop_open(&loop, NULL) < 0) return 1;
    int err = twice("checked before the wait, written after it:", withdraw_wrongly);
    if (err == 0) err = twice("checked and written before the wait:", withdraw);
    return err != 0 || eddy_loop_close(loop) < 0;
}
