/* fetch.c: downloads what it is asked for, all at once over few connections, by libcurl on the
 * loop:
 *
 *     fetch https://example.org/a.tar.gz https://example.org/b.tar.gz
 *     fetch -c 4 http://127.0.0.1:8080/{1,2,3,4,5,6}.txt
 *
 * Each goes into a file of its name in the current directory, which must not be there yet. What has
 * come is told twice a second. Ctrl-C cancels what is under way, and the files of that are removed;
 * a second one ends the program at once. Exit status 1 if not all came.
 *
 * Files are written on the loop's thread, into the system's memory as a rule. Where a disk may be
 * slow, pause the transfer (CURL_WRITEFUNC_PAUSE) and write by file requests. */
#include <eddy.h>
#include <eddy/adapter/libcurl.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

struct download {
    eddy_curl_transfer transfer;
    CURL *easy;
    const char *url;
    char name[256];
    FILE *file;
    char error[CURL_ERROR_SIZE];
};

static eddy_loop *loop;
static eddy_curl curl;
static eddy_signal interrupt;
static eddy_timer progress;
static struct download *downloads;
static int count, left, failed;
static long long bytes, told_bytes;

/* The last part of the path, as far as it is a name. */
static void name_file(struct download *it) {
    const char *host = strstr(it->url, "://");
    const char *path = strchr(host != NULL ? host + 3 : it->url, '/');
    size_t end = path != NULL ? strcspn(path, "?#") : 0, begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    if (begin < end && end - begin < sizeof it->name)
        memcpy(it->name, path + begin, end - begin); /* it is zero behind that */
    if (strcmp(it->name, "") == 0 || strcmp(it->name, ".") == 0 || strcmp(it->name, "..") == 0)
        strcpy(it->name, "index.html");
}

static size_t on_bytes(char *data, size_t size, size_t number, void *context) {
    struct download *it = context;
    bytes += (long long)(size * number);
    return fwrite(data, size, number, it->file) * size;
}

static void on_progress(eddy_timer *timer) {
    (void)timer;
    fprintf(stderr, "%d of %d, %.1f MB, %.1f MB/s\n", count - left, count, (double)bytes / 1e6,
            (double)(bytes - told_bytes) * 2 / 1e6);
    told_bytes = bytes;
}

/* It was asked for, and has a file or not: the end of it. */
static void finish(struct download *it, const char *error) {
    if (it->file != NULL && fclose(it->file) != 0 && error == NULL) error = strerror(errno);
    if (it->file != NULL && error != NULL) remove(it->name);
    if (error != NULL) fprintf(stderr, "fetch: %s: %s\n", it->url, error);
    if (error == NULL) printf("%s\n", it->name);
    fflush(stdout);
    if (error != NULL) failed++;
    curl_easy_cleanup(it->easy);
    if (--left > 0) return;
    eddy_signal_stop(&interrupt);
    eddy_timer_stop(&progress);
}

static void on_done(eddy_curl_transfer *transfer, CURLcode result) {
    struct download *it = eddy_container_of(transfer, struct download, transfer);
    const char *error = it->error[0] != '\0' ? it->error : curl_easy_strerror(result);
    finish(it, result == CURLE_OK ? NULL : error);
}

static void on_interrupt(eddy_signal *watcher, int number) {
    (void)number;
    eddy_signal_stop(watcher); /* the next one is the system's */
    for (int i = 0; i < count; i++)
        if (downloads[i].transfer.curl != NULL) eddy_curl_cancel(&downloads[i].transfer);
}

static const char *begin(struct download *it) {
    it->easy = curl_easy_init();
    if (it->easy == NULL) return "no memory";
    it->file = fopen(it->name, "wbx");
    if (it->file == NULL) return strerror(errno);
    curl_easy_setopt(it->easy, CURLOPT_URL, it->url);
    curl_easy_setopt(it->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(it->easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(it->easy, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(it->easy, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(it->easy, CURLOPT_LOW_SPEED_LIMIT, 1L); /* nothing for a minute */
    curl_easy_setopt(it->easy, CURLOPT_LOW_SPEED_TIME, 60L);
    curl_easy_setopt(it->easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(it->easy, CURLOPT_WRITEDATA, it);
    curl_easy_setopt(it->easy, CURLOPT_ERRORBUFFER, it->error);
    CURLMcode code = eddy_curl_start(&curl, &it->transfer, it->easy, on_done);
    return code == CURLM_OK ? NULL : curl_multi_strerror(code);
}

static int usage(void) {
    fprintf(stderr, "usage: fetch [-c CONNECTIONS] URL...\n");
    return 2;
}

int main(int argc, char **argv) {
    int first = 1;
    long connections = 10;
    if (argc > 1 && strcmp(argv[1], "-c") == 0) {
        if (argc < 3 || !number_parse(argv[2], 1, 10000, &connections)) return usage();
        first = 3;
    }
    if (first >= argc || argv[first][0] == '-') return usage();
    left = count = argc - first;
    downloads = calloc((size_t)count, sizeof *downloads);
    if (downloads == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0) return 1;
    if (eddy_loop_open(&loop, NULL) < 0 || eddy_curl_open(&curl, loop) < 0) return 1;
    curl_multi_setopt(curl.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections);
    eddy_signal_init(&interrupt, loop);
    eddy_timer_init(&progress, loop);
    if (eddy_signal_start(&interrupt, on_interrupt, SIGINT) < 0) return 1;
    if (eddy_timer_start(&progress, on_progress, 500 * EDDY_NS_PER_MS, 500 * EDDY_NS_PER_MS) < 0)
        return 1;
    for (int i = 0; i < count; i++) {
        downloads[i].url = argv[first + i];
        name_file(&downloads[i]);
        const char *error = begin(&downloads[i]);
        if (error != NULL) finish(&downloads[i], error);
    }
    int err = eddy_loop_run(loop, EDDY_RUN_DEFAULT);
    eddy_curl_close(&curl);
    curl_global_cleanup();
    free(downloads);
    return err < 0 || eddy_loop_close(loop) < 0 || failed > 0;
}
