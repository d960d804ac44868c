/* address.c: numeric addresses and their text. */
#include "net.h"

#include <net/if.h>
#include <stdio.h>
#include <sys/un.h>

static void round_trip(const char *host, unsigned port, const char *text) {
    struct sockaddr_storage address;
    char back[80];
    int length = eddy_address_parse(&address, host, port);
    ck_assert_int_gt(length, 0);
    ck_assert_int_eq(length, strchr(host, ':') != NULL ? (int)sizeof(struct sockaddr_in6)
                                                       : (int)sizeof(struct sockaddr_in));
    ck_assert_int_eq(eddy_address_port((struct sockaddr *)&address), (int)port);
    ck_assert_int_eq(eddy_address_format((struct sockaddr *)&address, back, sizeof back),
                     (int)strlen(text));
    ck_assert_str_eq(back, text);
}

START_TEST(addresses_come_back_as_they_went_in) {
    round_trip("127.0.0.1", 8080, "127.0.0.1:8080");
    round_trip("0.0.0.0", 0, "0.0.0.0:0");
    round_trip("255.255.255.255", 65535, "255.255.255.255:65535");
    round_trip("::", 0, "[::]:0");
    round_trip("::1", 80, "[::1]:80");
    round_trip("2001:DB8:0:0:0:0:0:1", 443, "[2001:db8::1]:443");
    round_trip("fe80::1%7", 1, "[fe80::1%7]:1");
    round_trip("fe80::1%4294967295", 1, "[fe80::1%4294967295]:1");
}
END_TEST

START_TEST(scope_may_be_the_name_of_an_interface) {
    char name[IF_NAMESIZE], host[80], text[80];
    for (unsigned index = 1; index < 64; index++) {
        if (if_indextoname(index, name) == NULL) continue;
        snprintf(host, sizeof host, "fe80::1%%%s", name);
        snprintf(text, sizeof text, "[fe80::1%%%u]:9", index);
        round_trip(host, 9, text);
    }
}
END_TEST

START_TEST(what_is_no_numeric_address_is_refused) {
    static const char *const wrong[] = {
        "",
        " ",
        "localhost",
        "127.1",
        "127.0.0.256",
        "127.0.0.1 ",
        "0x7f.0.0.1",
        "127.0.0.1%1",
        "[::1]",
        "::1%",
        "fe80::1%no-such-one",
        "fe80::1%0",
        "fe80::1%-1",
        "fe80::1%1x",
        "fe80::1%4294967296",
        "fe80::1%99999999999999999999",
        "%1",
        ":::",
        "1:2:3:4:5:6:7:8:9",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    struct sockaddr_storage address;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(eddy_address_parse(&address, wrong[i], 1) == -EINVAL, "\"%s\"", wrong[i]);
    ck_assert_int_eq(eddy_address_parse(&address, "::1", 65536), -EINVAL);
}
END_TEST

START_TEST(text_is_cut_as_snprintf_does) {
    struct sockaddr_storage address;
    char text[6] = "xxxxx";
    ck_assert_int_gt(eddy_address_parse(&address, "10.0.0.1", 5), 0);
    ck_assert_int_eq(eddy_address_format((struct sockaddr *)&address, text, sizeof text), 10);
    ck_assert_str_eq(text, "10.0.");
    ck_assert_int_eq(eddy_address_format((struct sockaddr *)&address, NULL, 0), 10);
    address.ss_family = 200;
    ck_assert_int_eq(eddy_address_format((struct sockaddr *)&address, text, 6), -EAFNOSUPPORT);
    ck_assert_int_eq(eddy_address_port((struct sockaddr *)&address), -EAFNOSUPPORT);
}
END_TEST

/* --- Local ones --- */

/* A name of `size` bytes, its text, and the same address of it. */
static void round_trip_local(const char *name, size_t size, const char *text) {
    struct sockaddr_storage address, back;
    char told[600];
    int length = eddy_address_of_name(&address, name, size);
    ck_assert_int_gt(length, 0);
    const struct sockaddr *at = (struct sockaddr *)&address;
    ck_assert_int_eq(eddy_address_format_whole(at, (socklen_t)length, told, sizeof told),
                     (int)strlen(text));
    ck_assert_str_eq(told, text);
    ck_assert_int_eq(eddy_address_parse(&back, told, 0), length);
    ck_assert_int_eq(memcmp(&back, &address, sizeof back), 0);
    if (size > 0 && name[size - 1] == '\0') return; /* such an end is seen by its length alone */
    ck_assert_int_eq(eddy_address_format(at, told, sizeof told), (int)strlen(text));
    ck_assert_str_eq(told, text);
}

START_TEST(local_addresses_come_back_as_they_went_in) {
    round_trip_local("", 0, "unix:");
    round_trip_local("/run/a", 6, "unix:/run/a");
    round_trip_local("a b\xc3\xa9", 5, "unix:a b\xc3\xa9");
    round_trip_local("@a@", 3, "unix:\\x40a@");
    round_trip_local("\n\\\x7f", 3, "unix:\\x0a\\x5c\\x7f");
    round_trip_local("\0a", 2, "unix:@a");
    round_trip_local("\0@", 2, "unix:@@");
    round_trip_local("\0a\0", 3, "unix:@a\\x00");
    round_trip_local("\0\0a", 3, "unix:@\\x00a");
    round_trip_local("\0", 1, "unix:@");
    char name[sizeof((struct sockaddr_un *)NULL)->sun_path], text[sizeof name * 4 + 16] = "unix:";
    memset(name, 'a', sizeof name);
    memset(text + 5, 'a', sizeof name - 1);
    round_trip_local(name, sizeof name - 1, text);
    memset(name, '\0', sizeof name);
    strcpy(text, "unix:@");
    for (size_t i = 1; i < sizeof name; i++) strcat(text, "\\x00");
    round_trip_local(name, sizeof name, text);
}
END_TEST

START_TEST(what_is_no_local_address_is_refused) {
    static const char *const wrong[] = {
        "unix:a\\",   "unix:a\\x",   "unix:a\\x1",  "unix:\\xg0", "unix:\\n",
        "unix:\\x00", "unix:a\\x00", "unix:\\x00a", "Unix:/a",    "/a",
    };
    struct sockaddr_storage address;
    char name[sizeof((struct sockaddr_un *)NULL)->sun_path + 8] = "unix:";
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(eddy_address_parse(&address, wrong[i], 0) == -EINVAL, "\"%s\"", wrong[i]);
    ck_assert_int_eq(eddy_address_parse(&address, "unix:/a", 1), -EINVAL);
    ck_assert_int_eq(eddy_address_of_name(&address, "a\0b", 3), -EINVAL);
    ck_assert_int_eq(eddy_address_of_name(&address, "a", 2), -EINVAL);
    memset(name + 5, 'a', sizeof name - 8);
    ck_assert_int_eq(eddy_address_parse(&address, name, 0), -ENAMETOOLONG);
    memset(name, '\0', sizeof name);
    ck_assert_int_eq(eddy_address_of_name(&address, name, sizeof name - 7), -ENAMETOOLONG);
    ck_assert_int_eq(eddy_address_port((struct sockaddr *)&address), -EAFNOSUPPORT);
}
END_TEST

START_TEST(local_text_is_cut_as_snprintf_does) {
    struct sockaddr_storage address;
    char text[6] = "xxxxx";
    int length = eddy_address_of_name(&address, "/run", 4);
    const struct sockaddr *at = (struct sockaddr *)&address;
    ck_assert_int_eq(eddy_address_format_whole(at, (socklen_t)length, text, sizeof text), 9);
    ck_assert_str_eq(text, "unix:");
    ck_assert_int_eq(eddy_address_format_whole(at, (socklen_t)length, NULL, 0), 9);
    ck_assert_int_eq(eddy_address_format_whole(at, 0, text, sizeof text), 5);
    length = eddy_address_parse(&address, "10.0.0.1", 5);
    ck_assert_int_eq(eddy_address_format_whole(at, (socklen_t)length, NULL, 0), 10);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("address");
    ck_add(suite, "address", addresses_come_back_as_they_went_in,
           scope_may_be_the_name_of_an_interface, what_is_no_numeric_address_is_refused,
           text_is_cut_as_snprintf_does);
    ck_add(suite, "local", local_addresses_come_back_as_they_went_in,
           what_is_no_local_address_is_refused, local_text_is_cut_as_snprintf_does);
    return suite;
}
