/* transfers.h: transfers of libcurl that count what happens to them. Whatever they do, no socket is
 * watched any more when it is closed. */
#ifndef EDDY_TESTS_TRANSFERS_H
#define EDDY_TESTS_TRANSFERS_H

#include <eddy/adapter/libcurl.h>

#include "lag.h"
#include "nginx.h"
#include "watched.h"

struct get {
    eddy_curl_transfer transfer;
    CURL *easy;
    int done;
    CURLcode result;
    size_t bytes;
    char text[32]; /* the first ones */
    void (*on_bytes)(struct get *get);
    void (*on_done)(struct get *get);
    bool pauses; /* at the first bytes */
};

static eddy_curl curl;
static struct nginx server;

static inline size_t get_write(char *data, size_t size, size_t count, void *context) {
    struct get *get = context;
    if (get->pauses) {
        get->pauses = false;
        if (get->on_bytes != NULL) get->on_bytes(get);
        return CURL_WRITEFUNC_PAUSE;
    }
    for (size_t i = 0; i < count * size && get->bytes + i < sizeof get->text - 1; i++)
        get->text[get->bytes + i] = data[i];
    get->bytes += size * count;
    if (get->on_bytes != NULL) get->on_bytes(get);
    return size * count;
}

static inline void get_done(eddy_curl_transfer *transfer, CURLcode result) {
    struct get *get = eddy_container_of(transfer, struct get, transfer);
    get->done++;
    get->result = result;
    if (get->on_done != NULL) get->on_done(get);
}

static inline curl_socket_t open_socket(void *context, curlsocktype purpose,
                                        struct curl_sockaddr *address) {
    (void)context, (void)purpose;
    int fd = socket(address->family, address->socktype, address->protocol);
    if (fd >= 0) watched_opened(fd);
    return fd;
}

static inline void get_url(struct get *get, int port, const char *path) {
    char url[256];
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    if (get->easy == NULL) get->easy = curl_easy_init();
    ck_assert_ptr_nonnull(get->easy);
    curl_easy_setopt(get->easy, CURLOPT_URL, url);
    curl_easy_setopt(get->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(get->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(get->easy, CURLOPT_WRITEFUNCTION, get_write);
    curl_easy_setopt(get->easy, CURLOPT_WRITEDATA, get);
    curl_easy_setopt(get->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
}

static inline void get_start(struct get *get) {
    ck_assert_int_eq(eddy_curl_start(&curl, &get->transfer, get->easy, get_done), CURLM_OK);
    ck_assert_int_eq(get->done, 0);
}

static inline void get_free(struct get *get) {
    curl_easy_cleanup(get->easy);
    get->easy = NULL;
}

static inline void open_all(void) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    nginx_start(&server);
    watched_open();
    ck_assert_int_eq(eddy_curl_open(&curl, loop), 0);
}

static inline void close_rest(void) {
    watched_close();
    nginx_stop(&server);
    curl_global_cleanup();
}

static inline void close_all(void) {
    ck_assert_int_eq(eddy_curl_close(&curl), CURLM_OK);
    close_rest();
}

#endif
