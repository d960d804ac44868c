/* alive.c: a loop that does not end, and who keeps it from ending. Something was forgotten here on
 * purpose: print_alive says what, and where it is.
 * Read beside it: docs/03-handles.md and include/eddy/walk.h. */
#include <eddy.h>

#include <stdio.h>
#include <unistd.h>

/* --- To be copied into a program --- */

/* "timer 0x7ffd5c "client 1: silence" active, referenced", "io 0x7ffd80 of descriptor 7, active,
 * not referenced" … */
static void print_item(const eddy_walk_item *item, void *context) {
    FILE *file = context;
    fprintf(file, "%s %p", eddy_kind_name(item->kind), item->pointer);
    if (item->label != NULL) fprintf(file, " \"%s\"", item->label);
    if (item->fd >= 0) fprintf(file, " of descriptor %d,", item->fd);
    fprintf(file, item->active ? " active," : " closing,");
    fprintf(file, item->referenced ? " referenced\n" : " not referenced\n");
}

static void print_alive(const eddy_loop *loop, FILE *file) {
    eddy_loop_walk(loop, print_item, file);
}

/* --- A program with two mistakes --- */

struct client {
    eddy_io input;      /* stopped when it ends */
    eddy_timer silence; /* forgotten then */
    eddy_timer report;  /* not referenced, so that it keeps nobody; but it has to be stopped */
    eddy_label labels[3];
};

static void on_time(eddy_timer *timer) {
    (void)timer;
}

static void on_input(eddy_io *io, unsigned events) {
    char text[80];
    (void)events;
    if (read(eddy_io_fd(io), text, sizeof text) <= 0) eddy_io_stop(io);
}

static void client_label(struct client *client, eddy_loop *loop) {
    const void *const named[] = {&client->input, &client->silence, &client->report};
    static const char *const texts[] = {"client 1", "client 1: silence", "client 1: report"};
    for (int i = 0; i < 3; i++) {
        eddy_label_init(&client->labels[i], loop);
        (void)eddy_label_set(&client->labels[i], named[i], texts[i]); /* or it has no name */
    }
}

static void client_end(struct client *client) {
    eddy_timer_stop(&client->report);
    for (int i = 0; i < 3; i++) eddy_label_clear(&client->labels[i]); /* it may be freed now */
}

static int client_start(struct client *client, eddy_loop *loop, int fd) {
    eddy_io_init(&client->input, loop);
    eddy_timer_init(&client->silence, loop);
    eddy_timer_init(&client->report, loop);
    eddy_unref(&client->report.handle);
    client_label(client, loop);
    int err = eddy_io_start(&client->input, on_input, fd, EDDY_READ);
    if (err == 0) err = eddy_timer_start(&client->silence, on_time, 60 * EDDY_NS_PER_S, 0);
    if (err == 0) err = eddy_timer_start(&client->report, on_time, EDDY_NS_PER_S, EDDY_NS_PER_S);
    return err;
}

int main(void) {
    struct client client;
    eddy_loop *loop;
    int ends[2];
    if (pipe(ends) < 0 || eddy_loop_open(&loop, NULL) < 0) return 1;
    int err = client_start(&client, loop, ends[0]);
    close(ends[1]); /* the input ends, and with it the client; so its loop should end as well */
    if (err == 0) err = eddy_loop_run(loop, EDDY_RUN_ONCE);
    if (err != 1) return 1;

    puts("what keeps the loop from ending:");
    print_alive(loop, stdout);
    eddy_timer_stop(&client.silence);
    if (eddy_loop_run(loop, EDDY_RUN_DEFAULT) != 0 || eddy_loop_close(loop) == 0) return 1;

    puts("what keeps the loop from being closed:");
    print_alive(loop, stdout);
    client_end(&client);
    return eddy_loop_close(loop) == 0 ? 0 : 1;
}
