/* address.c: numeric addresses and their text. */
#include "net.h"

#include <net/if.h>
#include <stdio.h>

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
    address.ss_family = AF_UNIX;
    ck_assert_int_eq(eddy_address_format((struct sockaddr *)&address, text, 6), -EAFNOSUPPORT);
    ck_assert_int_eq(eddy_address_port((struct sockaddr *)&address), -EAFNOSUPPORT);
}
END_TEST

Suite *make_suite(void) {
    Suite *suite = suite_create("address");
    ck_add(suite, "address", addresses_come_back_as_they_went_in,
           scope_may_be_the_name_of_an_interface, what_is_no_numeric_address_is_refused,
           text_is_cut_as_snprintf_does);
    return suite;
}
