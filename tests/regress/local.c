/* local.c: names of local sockets that are too long, taken, left behind or somebody else's by now;
 * their permissions; and a backlog that is full, of which no event tells. */
#include "local_net.h"
#include "system.h"

#include <sys/stat.h>

static ino_t inode_of(const char *path) {
    struct stat stat;
    ck_assert_int_eq(lstat(path, &stat), 0);
    return stat.st_ino;
}

static unsigned mode_of(const char *path) {
    struct stat stat;
    ck_assert_int_eq(lstat(path, &stat), 0);
    return stat.st_mode & 0777U;
}

/* --- Names --- */

/* The longest path that there is room for, and one byte more, which makes nothing. */
START_TEST(a_path_that_is_too_long_is_refused_and_not_cut) {
    enum { MOST = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 };
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    char name[MOST + 2];
    local_place_make(&place);
    memset(name, 'a', sizeof name);
    memcpy(name, place.directory, strlen(place.directory));
    name[strlen(place.directory)] = '/';
    ck_assert_int_eq(eddy_address_of_name(&place.address, name, MOST + 1), -ENAMETOOLONG);
    place.length = local_name(&place.address, name, MOST);
    ck_assert_int_eq(local_listen(&server, loop, &place, 0), 0);
    name[MOST] = '\0';
    ck_assert(local_is_there(name));
    int client = local_connect_plain(local_at(&place), place.length, SOCK_STREAM);
    ck_assert_int_ge(client, 0);
    close(client);
    test_turn_until(loop, &server.any);
    local_server_close(&server);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

/* The system's own bind takes a path without an end, and tells a byte more of it. */
START_TEST(a_path_that_fills_its_room_is_told_whole) {
    enum { ROOM = sizeof(((struct sockaddr_un *)NULL)->sun_path) };
    struct local_place place;
    /* valgrind looks for an end behind it. */
    static struct {
        struct sockaddr_un address;
        char end;
    } room = {.address = {.sun_family = AF_UNIX}};
    struct sockaddr_un *full = &room.address;
    struct sockaddr_storage told = {0};
    socklen_t length = sizeof told;
    char text[ROOM + 6], path[ROOM + 1];
    local_place_make(&place);
    memset(full->sun_path, 'b', ROOM);
    memcpy(full->sun_path, place.directory, strlen(place.directory));
    full->sun_path[strlen(place.directory)] = '/';
    memcpy(path, full->sun_path, ROOM);
    path[ROOM] = '\0';
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (struct sockaddr *)full, sizeof *full) == 0) {
        eddy_loop *loop = test_loop_open();
        struct local_server server = {0};
        ck_assert_int_eq(eddy_address_format((struct sockaddr *)full, text, sizeof text), ROOM + 5);
        ck_assert_str_eq(text + 5, path);
        ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&told, &length), 0);
        ck_assert_int_eq(
            eddy_address_format_whole((struct sockaddr *)&told, length, text, sizeof text),
            ROOM + 5);
        ck_assert_str_eq(text + 5, path);
        ck_assert_int_eq(listen(fd, 1), 0);
        eddy_listener_init(&server.listener, loop);
        ck_assert_int_eq(eddy_listener_attach(&server.listener, fd, local_on_accept), 0);
        ck_assert_int_eq(eddy_local_own_name(&server.listener, true), 0);
        local_server_close(&server);
        ck_assert(!local_is_there(path));
        test_loop_close(loop);
    } else {
        close(fd);
    }
    local_place_remove(&place);
}
END_TEST

/* Of an abstract name the length counts: zeros are bytes as others are. */
START_TEST(an_abstract_name_is_all_of_its_bytes) {
    eddy_loop *loop = test_loop_open();
    struct local_place place = {0};
    struct local_server server;
    char name[64], text[96];
    size_t size = (size_t)snprintf(name, sizeof name, "%ceddy-%d%cb", 0, (int)getpid(), 0);
    place.length = local_name(&place.address, name, size + 1);
    int err = local_listen(&server, loop, &place, 0);
    if (err == 0) {
        struct sockaddr_storage other;
        socklen_t length = local_name(&other, name, size - 2);
        const struct sockaddr *at = (struct sockaddr *)&other;
        ck_assert_int_eq(local_connect_plain(at, length, SOCK_STREAM), -ECONNREFUSED);
        int client = local_connect_plain(local_at(&place), place.length, SOCK_STREAM);
        ck_assert_int_ge(client, 0);
        close(client);
        test_turn_until(loop, &server.any);
        length = sizeof other;
        ck_assert_int_eq(
            eddy_listener_address(&server.listener, (struct sockaddr *)&other, &length), 0);
        ck_assert_uint_eq(length, place.length);
        char expected[96];
        snprintf(expected, sizeof expected, "unix:@eddy-%d\\x00b\\x00", (int)getpid());
        ck_assert_int_eq(eddy_address_format_whole(at, length, text, sizeof text),
                         (int)strlen(expected));
        ck_assert_str_eq(text, expected);
        local_server_close(&server);
        place.length = local_name(&place.address, NULL, 0);
        ck_assert_int_eq(local_listen(&server, loop, &place, 0), 0);
        length = sizeof other;
        ck_assert_int_eq(
            eddy_listener_address(&server.listener, (struct sockaddr *)&other, &length), 0);
        ck_assert_uint_gt(length, place.length); /* Linux has picked one */
        local_server_close(&server);
    } /* else this is no Linux */
    test_loop_close(loop);
}
END_TEST

/* --- Taken names --- */

/* Whatever is there stays: a server's socket, one that only has been bound, a file, a link; a
 * second listener is told, with and without leave to replace. */
START_TEST(a_name_that_is_in_use_is_not_taken_away) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server first, second;
    local_place_make(&place);
    ck_assert_int_eq(local_listen(&first, loop, &place, 0), 0);
    ino_t inode = inode_of(place.path);
    const unsigned ways[] = {0, EDDY_REPLACE_STALE, EDDY_REPLACE_STALE | EDDY_SEQPACKET};
    for (int i = 0; i < 3; i++) {
        int err = local_listen(&second, loop, &place, ways[i]);
        ck_assert(err == -EADDRINUSE || err == -EPROTONOSUPPORT);
        ck_assert_uint_eq(inode_of(place.path), inode);
    }
    local_server_close(&first);
    ck_assert_int_eq(symlink("nowhere", place.path), 0);
    ck_assert_int_eq(local_listen(&second, loop, &place, EDDY_REPLACE_STALE), -EADDRINUSE);
    unlink(place.path);
    close(open(place.path, O_CREAT | O_WRONLY, 0600));
    ck_assert_int_eq(local_listen(&second, loop, &place, EDDY_REPLACE_STALE), -EADDRINUSE);
    ck_assert(local_is_there(place.path));
    unlink(place.path);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_full_backlog_is_no_stale_name) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    int clients[8], connected = 0;
    local_place_make(&place);
    int fd = local_bind_plain(&place, SOCK_STREAM);
    ck_assert_int_eq(listen(fd, 0), 0);
    for (; connected < 8; connected++) {
        clients[connected] = local_connect_plain(local_at(&place), place.length, SOCK_STREAM);
        if (clients[connected] < 0) break;
    }
    if (connected < 8 && clients[connected] == -EAGAIN) {
        ck_assert_int_eq(local_listen(&server, loop, &place, EDDY_REPLACE_STALE), -EADDRINUSE);
        ck_assert(local_is_there(place.path));
    }
    while (connected > 0) close(clients[--connected]);
    close(fd);
    unlink(place.path);
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_name_left_behind_is_replaced_only_if_so_asked) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    local_place_make(&place);
    close(local_bind_plain(&place, SOCK_STREAM));
    ck_assert_int_eq(local_listen(&server, loop, &place, 0), -EADDRINUSE);
    ck_assert(local_is_there(place.path));
    ck_assert_int_eq(local_listen(&server, loop, &place, EDDY_REPLACE_STALE), 0);
    int client = local_connect_plain(local_at(&place), place.length, SOCK_STREAM);
    ck_assert_int_ge(client, 0);
    test_turn_until(loop, &server.any);
    close(client);
    local_server_close(&server);
    ck_assert(!local_is_there(place.path));
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

/* --- Names at the end --- */

/* A successor has put its socket in the place of ours. */
START_TEST(closing_leaves_a_name_that_is_anothers_by_now) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server first, second;
    local_place_make(&place);
    ck_assert_int_eq(local_listen(&first, loop, &place, 0), 0);
    unlink(place.path);
    ck_assert_int_eq(local_listen(&second, loop, &place, 0), 0);
    local_server_close(&first);
    ck_assert(local_is_there(place.path));
    local_server_close(&second);
    ck_assert(!local_is_there(place.path));
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_forked_child_leaves_its_parents_name) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    local_place_make(&place);
    ck_assert_int_eq(local_listen(&server, loop, &place, 0), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (eddy_loop_after_fork(loop) < 0) _exit(1);
        if (eddy_listener_close(&server.listener, NULL) < 0) _exit(2);
        if (eddy_loop_run(loop, EDDY_RUN_NOWAIT) < 0) _exit(3);
        _exit(local_is_there(place.path) ? 0 : 4);
    }
    child_is_content(child);
    local_server_close(&server);
    ck_assert(!local_is_there(place.path));
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

/* A relative name means another file there, which stays. */
START_TEST(a_change_of_the_working_directory_removes_no_other_name) {
    eddy_loop *loop = test_loop_open();
    struct local_place here, there;
    struct local_server server, other;
    local_place_make(&here);
    local_place_make(&there);
    here.length = local_name(&here.address, "socket", 6);
    ck_assert_int_eq(chdir(here.directory), 0);
    ck_assert_int_eq(local_listen(&server, loop, &here, 0), 0);
    ck_assert_int_eq(local_listen(&other, loop, &there, 0), 0);
    ck_assert_int_eq(chdir(there.directory), 0);
    local_server_close(&server);
    ck_assert(local_is_there(here.path) && local_is_there(there.path));
    local_server_close(&other);
    ck_assert_int_eq(chdir("/"), 0);
    unlink(here.path);
    local_place_remove(&here);
    local_place_remove(&there);
    test_loop_close(loop);
}
END_TEST

/* What fails leaves no name behind. */
START_TEST(a_listener_that_cannot_be_watched_leaves_no_name) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    struct rlimit limit, low;
    local_place_make(&place);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (rlim_t most = 3; most < 40; most++) {
        low = (struct rlimit){most, limit.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
        int err = local_listen(&server, loop, &place, 0);
        ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        if (err == 0) {
            local_server_close(&server);
            break;
        }
        ck_assert_int_eq(err, -EMFILE);
        ck_assert(!local_is_there(place.path));
    }
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

/* --- Permissions --- */

/* Neither narrower nor wider than asked, whatever the umask is; which is left alone. */
START_TEST(permissions_are_those_asked_for_whatever_the_umask) {
    eddy_loop *loop = test_loop_open();
    struct local_place place;
    struct local_server server;
    local_place_make(&place);
    static const mode_t masks[] = {0, 022, 077, 0777};
    static const unsigned modes[] = {0600, 0660, 0666, 0777, 0};
    for (size_t i = 0; i < 4; i++) {
        mode_t before = umask(masks[i]);
        for (size_t k = 0; k < 5; k++) {
            ck_assert_int_eq(local_listen(&server, loop, &place, EDDY_LOCAL_MODE(modes[k])), 0);
            ck_assert_uint_eq(mode_of(place.path), modes[k]);
            local_server_close(&server);
        }
        ck_assert_int_eq(local_listen(&server, loop, &place, 0), 0);
        ck_assert_uint_eq(mode_of(place.path), 0777U & ~masks[i]);
        local_server_close(&server);
        ck_assert_uint_eq(umask(before), masks[i]);
    }
    local_place_remove(&place);
    test_loop_close(loop);
}
END_TEST

/* --- A full backlog --- */

enum { WAITERS = 6 };

struct queue {
    struct local_place place;
    struct end ends[WAITERS];
    int listener;
    unsigned waiting;
};

/* Connects until somebody has to wait. False: this system refuses instead. */
static bool queue_fill(struct queue *queue, eddy_loop *loop, int64_t timeout_ns) {
    local_place_make(&queue->place);
    queue->listener = local_bind_plain(&queue->place, SOCK_STREAM);
    ck_assert_int_eq(fcntl(queue->listener, F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(listen(queue->listener, 0), 0);
    for (int i = 0; i < WAITERS; i++)
        ck_assert_int_eq(local_connect(&queue->ends[i], loop, &queue->place, 0, timeout_ns), 0);
    ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
    bool refused = false;
    queue->waiting = 0;
    for (int i = 0; i < WAITERS; i++) {
        queue->waiting += !queue->ends[i].connected;
        ck_assert_int_ne(queue->ends[i].status, -EAGAIN);
        refused = refused || (queue->ends[i].connected && queue->ends[i].status < 0);
    }
    return !refused && queue->waiting > 0;
}

static void queue_close(struct queue *queue) {
    for (int i = 0; i < WAITERS; i++) end_close(&queue->ends[i]);
    close(queue->listener);
    unlink(queue->place.path);
    local_place_remove(&queue->place);
}

static bool all_connected(const struct queue *queue) {
    for (int i = 0; i < WAITERS; i++)
        if (!queue->ends[i].connected || queue->ends[i].status != 0) return false;
    return true;
}

/* They get in as others are accepted, and until then the loop sleeps. */
START_TEST(a_full_backlog_is_waited_for) {
    eddy_loop *loop = test_loop_open();
    struct queue queue;
    int accepted[WAITERS], count = 0;
    if (queue_fill(&queue, loop, 0)) {
        unsigned waits = test_metric_waits(loop);
        test_turn_for(loop, 100 * EDDY_NS_PER_MS);
        ck_assert_uint_lt(test_metric_waits(loop) - waits, 12 * queue.waiting + 12);
        ck_assert(!all_connected(&queue));
        int64_t give_up_ns = test_now_ns() + 10 * EDDY_NS_PER_S;
        while (!all_connected(&queue)) {
            ck_assert_int_lt(test_now_ns(), give_up_ns);
            int fd = accept(queue.listener, NULL, NULL);
            if (fd >= 0) accepted[count++] = fd;
            ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_ONCE), 0);
        }
        while (count > 0) close(accepted[--count]);
    }
    queue_close(&queue);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_wait_for_the_backlog_ends_at_its_deadline) {
    eddy_loop *loop = test_loop_open();
    struct queue queue;
    int64_t start_ns = test_now_ns();
    if (queue_fill(&queue, loop, 25 * EDDY_NS_PER_MS)) {
        for (int i = 0; i < WAITERS; i++) {
            int status = local_outcome(&queue.ends[i]);
            ck_assert(status == 0 || status == -ETIMEDOUT);
            queue.waiting -= status == -ETIMEDOUT;
        }
        ck_assert_uint_eq(queue.waiting, 0);
        ck_assert_int_ge(test_now_ns() - start_ns, 25 * EDDY_NS_PER_MS);
    }
    queue_close(&queue);
    test_loop_close(loop);
}
END_TEST

/* And by the end of who would have accepted, or of the stream itself: queue_close closes them. */
START_TEST(a_wait_for_the_backlog_ends_with_the_server) {
    eddy_loop *loop = test_loop_open();
    struct queue queue;
    if (queue_fill(&queue, loop, 0)) {
        close(queue.listener);
        for (int i = 0; i < WAITERS; i++) {
            int status = local_outcome(&queue.ends[i]);
            ck_assert(status == 0 || status == -ECONNREFUSED);
            queue.waiting -= status == -ECONNREFUSED;
        }
        ck_assert_uint_eq(queue.waiting, 0);
        queue.listener = -1;
    }
    queue_close(&queue);
    test_loop_close(loop);
}
END_TEST

START_TEST(a_stream_that_waits_for_the_backlog_can_be_closed) {
    eddy_loop *loop = test_loop_open();
    struct queue queue;
    if (queue_fill(&queue, loop, 0)) {
        ck_assert_int_eq(eddy_stream_detach(&queue.ends[WAITERS - 1].stream), -EBUSY);
        end_close(&queue.ends[WAITERS - 1]);
        ck_assert(queue.ends[WAITERS - 1].connected);
        ck_assert_int_eq(queue.ends[WAITERS - 1].status, -ECANCELED);
        end_init(&queue.ends[WAITERS - 1], loop);
    }
    queue_close(&queue);
    test_loop_close(loop);
}
END_TEST

/* --- */

/* What was sent before the other side closed is read before its end or its reset is told. */
START_TEST(bytes_come_before_the_end) {
    eddy_loop *loop = test_loop_open();
    for (int unread = 0; unread < 2; unread++) {
        struct end one, other;
        eddy_write writes[2];
        end_init(&one, loop);
        end_init(&other, loop);
        ck_assert_int_eq(eddy_local_pair(&one.stream, &other.stream, 0), 0);
        if (unread)
            ck_assert_int_eq(eddy_stream_write(&other.stream, &writes[0], "x", 1, end_on_written),
                             0);
        ck_assert_int_eq(eddy_stream_write(&one.stream, &writes[1], "abc", 3, end_on_written), 0);
        while (one.written == 0) ck_assert_int_ge(eddy_loop_run(loop, EDDY_RUN_NOWAIT), 0);
        end_close(&one);
        ck_assert_int_eq(eddy_stream_read_start(&other.stream, end_on_read), 0);
        test_turn_until(loop, &other.told);
        ck_assert_uint_eq(other.received, 3);
        end_close(&other);
    }
    test_loop_close(loop);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("regress local");
    ck_add(suite, "names", a_path_that_is_too_long_is_refused_and_not_cut,
           a_path_that_fills_its_room_is_told_whole, an_abstract_name_is_all_of_its_bytes,
           a_name_that_is_in_use_is_not_taken_away, a_full_backlog_is_no_stale_name,
           a_name_left_behind_is_replaced_only_if_so_asked);
    ck_add(suite, "ends", closing_leaves_a_name_that_is_anothers_by_now,
           a_forked_child_leaves_its_parents_name,
           a_change_of_the_working_directory_removes_no_other_name,
           a_listener_that_cannot_be_watched_leaves_no_name,
           permissions_are_those_asked_for_whatever_the_umask);
    ck_add(suite, "backlog", a_full_backlog_is_waited_for,
           a_wait_for_the_backlog_ends_at_its_deadline, a_wait_for_the_backlog_ends_with_the_server,
           a_stream_that_waits_for_the_backlog_can_be_closed, bytes_come_before_the_end);
    return suite;
}
