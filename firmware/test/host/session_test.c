/* What every session must do, tried on each implementation against a real broker. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "broker.h"
#include "check.h"
#include "millrace/mqtt.h"
#include "mosquitto_session.h"
#include "openssl_stream.h"
#include "socket_stream.h"
#include "suites.h"
#include "tls_stream.h"

static int port;
static struct millrace_session session;
static const struct millrace_session_options options = {"conform-1", "conform-1", NULL, "devices/conform-1/status", "gone", 5};

/* The library's own client over a socket. */
static int epoll_;
static struct socket_stream stream;
static struct millrace_mqtt mqtt;
static struct sockaddr_storage address;

static void use_own_client(void) {
  static uint8_t transmit[2048], receive[128];
  struct sockaddr_in *to = (struct sockaddr_in *)&address;
  to->sin_family = AF_INET;
  to->sin_port = htons((uint16_t)port);
  to->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socket_stream_init(&stream, epoll_, &address, sizeof *to, &stream);
  millrace_mqtt_init(&mqtt, socket_stream_port(&stream), transmit, sizeof transmit, receive, sizeof receive);
  session = millrace_mqtt_session(&mqtt);
}

/* The same client through TLS by BearSSL, which trusts the broker's own certificate. */
static struct tls_stream tls;
static br_x509_trust_anchor anchor;
static unsigned char anchor_name[256], anchor_key[256];
static size_t anchor_name_length;

static void append_name(void *context, const void *bytes, size_t length) {
  (void)context;
  if (anchor_name_length + length <= sizeof anchor_name) memcpy(anchor_name + anchor_name_length, bytes, length);
  anchor_name_length += length;
}

static void append_certificate(void *context, const void *bytes, size_t length) {
  br_x509_decoder_push(context, bytes, length);
}

/* Makes the trust anchor from the PEM file. */
static void trust(const char *path) {
  char pem[4096];
  FILE *file = fopen(path, "r");
  size_t length = file == NULL ? 0 : fread(pem, 1, sizeof pem, file);
  br_pem_decoder_context decoder;
  br_x509_decoder_context certificate;
  if (file != NULL) fclose(file);
  anchor_name_length = 0;
  br_pem_decoder_init(&decoder);
  br_x509_decoder_init(&certificate, append_name, NULL);
  br_pem_decoder_setdest(&decoder, append_certificate, &certificate);
  for (size_t at = 0; at < length;) {
    at += br_pem_decoder_push(&decoder, pem + at, length - at);
    (void)br_pem_decoder_event(&decoder);
  }
  br_x509_pkey *key = br_x509_decoder_get_pkey(&certificate);
  CHECK(key != NULL && key->key_type == BR_KEYTYPE_EC);
  if (key == NULL) return;
  anchor.dn.data = anchor_name;
  anchor.dn.len = anchor_name_length;
  anchor.flags = BR_X509_TA_CA;
  anchor.pkey = *key;
  memcpy(anchor_key, key->key.ec.q, key->key.ec.qlen);
  anchor.pkey.key.ec.q = anchor_key;
}

static void use_tls(size_t buffer_size, bool know_the_time) {
  static uint8_t transmit[2048], receive[128];
  static unsigned char buffer[BR_SSL_BUFSIZE_BIDI];
  static uint8_t entropy[32];
  struct sockaddr_in *to = (struct sockaddr_in *)&address;
  struct timespec now;
  to->sin_port = htons((uint16_t)broker_tls_port());
  CHECK_EQUAL(getrandom(entropy, sizeof entropy, 0), sizeof entropy);
  clock_gettime(CLOCK_REALTIME, &now);
  trust(broker_ca_file());
  socket_stream_init(&stream, epoll_, &address, sizeof *to, &stream);
  tls_stream_init(&tls, socket_stream_port(&stream), "localhost", &anchor, 1, buffer, buffer_size, entropy);
  if (know_the_time) tls_stream_set_time(&tls, (int64_t)now.tv_sec * 1000);
  millrace_mqtt_init(&mqtt, tls_stream_port(&tls), transmit, sizeof transmit, receive, sizeof receive);
  session = millrace_mqtt_session(&mqtt);
}

/* The same client through TLS by OpenSSL. */
static struct openssl_client openssl;
static struct openssl_stream openssl_tls;

static void use_openssl(const char *server_name, const char *ca_file) {
  static uint8_t transmit[2048], receive[128];
  struct sockaddr_in *to = (struct sockaddr_in *)&address;
  to->sin_port = htons((uint16_t)broker_tls_port());
  openssl_client_end(&openssl);
  CHECK(openssl_client_init(&openssl, server_name, ca_file));
  socket_stream_init(&stream, epoll_, &address, sizeof *to, &stream);
  openssl_stream_init(&openssl_tls, &openssl, socket_stream_port(&stream), NULL, "conform-1");
  millrace_mqtt_init(&mqtt, openssl_stream_port(&openssl_tls), transmit, sizeof transmit, receive, sizeof receive);
  session = millrace_mqtt_session(&mqtt);
}

static struct millrace_mosquitto mosquitto;

static void use_libmosquitto(void) {
  struct millrace_broker broker = {"127.0.0.1", port, NULL, NULL, NULL};
  millrace_mosquitto_init(&mosquitto, &broker);
  session = millrace_mosquitto_session(&mosquitto);
}

static uint32_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

/* Polls for up to ten seconds, for the machine may be busy, until there is an event or the session ends. */
static int next(struct millrace_event *event) {
  int outcome = 0;
  for (uint32_t begun = now_ms(); outcome == 0 && now_ms() - begun < 10000;) {
    struct epoll_event ready;
    if (epoll_wait(epoll_, &ready, 1, 5) == 1) {
      socket_stream_report(ready.data.ptr, ready.events);
      usleep(500); /* another session's socket may be ready without end: it was taken over */
    }
    outcome = session.poll(session.context, now_ms(), event);
  }
  return outcome;
}

static void connect_now(void) {
  struct millrace_event event = {0};
  CHECK_EQUAL(session.open(session.context, &options, now_ms()), 1);
  CHECK_EQUAL(next(&event), 1);
  CHECK_EQUAL(event.kind, MILLRACE_CONNECTED);
  CHECK_EQUAL(event.receive_maximum, 20); /* Mosquitto's default */
}

/* Publishes and waits for the PUBACK: its reason. */
static int publish(const char *topic, const char *payload, bool retain) {
  struct millrace_message message = {topic, (const uint8_t *)payload, (uint16_t)strlen(payload), retain};
  struct millrace_event event = {0};
  uint16_t packet_id = 0;
  CHECK_EQUAL(session.publish(session.context, &message, &packet_id), 1);
  CHECK_EQUAL(next(&event), 1);
  CHECK_EQUAL(event.kind, MILLRACE_ACKNOWLEDGED);
  CHECK_EQUAL(event.packet_id, packet_id);
  return event.reason;
}

static void a_publish_is_delivered_and_acknowledged(void) {
  listener_start(port, "devices/+/telemetry");
  connect_now();
  CHECK_EQUAL(publish("devices/conform-1/telemetry", "first", false), 0);
  CHECK(listener_waits_for("devices/conform-1/telemetry", "first"));
  session.close(session.context, true);
  listener_stop();
}

static void the_reason_of_a_puback_comes_through(void) {
  connect_now();
  CHECK_EQUAL(publish("devices/conform-1/telemetry", "nobody listens", false), 0x10);
  CHECK_EQUAL(publish("forbidden/conform-1", "not allowed", false), 0x87);
  session.close(session.context, true);
}

static void many_in_flight_are_all_acknowledged_in_order(void) {
  struct millrace_event event;
  uint16_t ids[20];
  listener_start(port, "devices/+/telemetry");
  connect_now();
  for (int i = 0; i < 20; i++) {
    struct millrace_message message = {"devices/conform-1/telemetry", (const uint8_t *)"many", 4, false};
    CHECK_EQUAL(session.publish(session.context, &message, &ids[i]), 1);
  }
  for (int i = 0; i < 20; i++) {
    CHECK_EQUAL(next(&event), 1);
    CHECK_EQUAL(event.packet_id, ids[i]);
    CHECK_EQUAL(event.reason, 0);
  }
  CHECK_EQUAL(listener_count(), 20);
  session.close(session.context, true);
  listener_stop();
}

static void a_lost_connection_leaves_a_retained_will(void) {
  connect_now();
  session.close(session.context, false);
  usleep(100000);
  listener_start(port, "devices/+/status");
  CHECK(listener_waits_for("devices/conform-1/status", "gone"));
  listener_stop();
}

static void a_close_that_was_meant_leaves_what_was_said_last(void) {
  struct millrace_message message = {"devices/conform-1/status", (const uint8_t *)"farewell", 8, true};
  uint16_t packet_id;
  connect_now();
  CHECK_EQUAL(session.publish(session.context, &message, &packet_id), 1);
  session.close(session.context, true);
  usleep(100000);
  listener_start(port, "devices/+/status");
  CHECK(listener_waits_for("devices/conform-1/status", "farewell"));
  CHECK_EQUAL(listener_count(), 1);
  listener_stop();
}

static void a_session_opens_again_after_it_was_closed(void) {
  for (int i = 0; i < 5; i++) {
    connect_now();
    CHECK_EQUAL(publish("devices/conform-1/status", "again", true), 0x10);
    session.close(session.context, i % 2 == 0);
  }
}

static void a_session_that_another_takes_over_ends(void) {
  struct millrace_session first;
  struct millrace_event event;
  connect_now();
  first = session;
  session = first.context == (void *)&mqtt ? millrace_mosquitto_session(&mosquitto) : millrace_mqtt_session(&mqtt);
  connect_now();
  struct millrace_session second = session;
  session = first;
  CHECK_EQUAL(next(&event), -1);
  first.close(first.context, false);
  second.close(second.context, true);
}

static void a_port_that_nobody_listens_on_is_an_end_not_a_wait(void) {
  struct millrace_event event;
  struct sockaddr_in *to = (struct sockaddr_in *)&address;
  in_port_t before = to->sin_port;
  to->sin_port = htons(1);
  mosquitto.broker.port = 1;
  int opened = session.open(session.context, &options, now_ms());
  CHECK(opened < 0 || next(&event) < 0);
  session.close(session.context, false);
  to->sin_port = before;
  mosquitto.broker.port = port;
}

static void tls_works_with_a_small_buffer_and_a_large_one(void) {
  static const size_t sizes[] = {4096 + 325 + 325, BR_SSL_BUFSIZE_MONO, BR_SSL_BUFSIZE_BIDI};
  for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    use_tls(sizes[i], true);
    connect_now();
    CHECK_EQUAL(publish("devices/conform-1/telemetry", "nobody listens", false), 0x10);
    session.close(session.context, true);
  }
}

static void tls_refuses_a_server_that_it_has_no_reason_to_trust(void) {
  struct millrace_event event;
  use_tls(BR_SSL_BUFSIZE_BIDI, true);
  anchor_key[10] ^= 1;
  CHECK_EQUAL(session.open(session.context, &options, now_ms()), 1);
  CHECK_EQUAL(next(&event), -1);
  session.close(session.context, false);
  use_tls(BR_SSL_BUFSIZE_BIDI, true);
  tls.server_name = "elsewhere";
  CHECK_EQUAL(session.open(session.context, &options, now_ms()), 1);
  CHECK_EQUAL(next(&event), -1);
  session.close(session.context, false);
}

static void tls_needs_to_know_the_time(void) {
  struct millrace_event event;
  use_tls(BR_SSL_BUFSIZE_BIDI, false);
  tls_stream_set_time(&tls, 0);
  CHECK_EQUAL(session.open(session.context, &options, now_ms()), 1);
  CHECK_EQUAL(next(&event), -1);
  session.close(session.context, false);
}

static void libmosquitto_uses_tls_when_it_has_a_certificate_to_trust(void) {
  struct millrace_broker broker = {"localhost", broker_tls_port(), broker_ca_file(), NULL, NULL};
  struct millrace_event event;
  millrace_mosquitto_init(&mosquitto, &broker);
  session = millrace_mosquitto_session(&mosquitto);
  connect_now();
  CHECK_EQUAL(publish("devices/conform-1/telemetry", "nobody listens", false), 0x10);
  session.close(session.context, true);
  mosquitto.broker.port = port; /* no TLS there */
  CHECK_EQUAL(session.open(session.context, &options, now_ms()), 1);
  CHECK_EQUAL(next(&event), -1);
  session.close(session.context, false);
}

static void expect_untrusted(const char *server_name, const char *ca_file, const char *because) {
  struct millrace_event event;
  use_openssl(server_name, ca_file);
  CHECK_EQUAL(session.open(session.context, &options, now_ms()), 1);
  CHECK_EQUAL(next(&event), -1);
  session.close(session.context, false);
  if (strstr(openssl.failure, because) == NULL) CHECK_TEXT(openssl.failure, because);
}

static void openssl_refuses_a_server_that_it_has_no_reason_to_trust(void) {
  expect_untrusted("elsewhere", broker_ca_file(), "elsewhere: its certificate is not taken: hostname mismatch");
  expect_untrusted("127.0.0.2", broker_ca_file(), "IP address mismatch");
  expect_untrusted("127.0.0.1", NULL, "self-signed certificate");
  openssl_client_end(&openssl);
  CHECK(!openssl_client_init(&openssl, "localhost", "/nowhere.pem"));
  CHECK(strstr(openssl.failure, "/nowhere.pem: ") == openssl.failure);
  use_openssl("localhost", broker_ca_file());
  connect_now();
  CHECK_EQUAL(publish("devices/conform-1/telemetry", "nobody listens", false), 0x10);
  session.close(session.context, true);
}

static void openssl_needs_the_certificate_that_it_is_to_show(void) {
  struct millrace_event event;
  use_openssl("localhost", broker_ca_file());
  openssl_tls.certificates = "/nowhere";
  CHECK_EQUAL(session.open(session.context, &options, now_ms()), 1);
  CHECK_EQUAL(next(&event), -1);
  session.close(session.context, false);
  CHECK(strstr(openssl.failure, "/nowhere/conform-1.pem: ") == openssl.failure);
}

static void all(void) {
  run("a publish is delivered and acknowledged", a_publish_is_delivered_and_acknowledged);
  run("the reason of a PUBACK comes through", the_reason_of_a_puback_comes_through);
  run("many in flight are all acknowledged, in order", many_in_flight_are_all_acknowledged_in_order);
  run("a lost connection leaves a retained will", a_lost_connection_leaves_a_retained_will);
  run("a close that was meant leaves what was said last", a_close_that_was_meant_leaves_what_was_said_last);
  run("a session opens again after it was closed", a_session_opens_again_after_it_was_closed);
  run("a session that another takes over ends", a_session_that_another_takes_over_ends);
  run("a port that nobody listens on is an end, not a wait", a_port_that_nobody_listens_on_is_an_end_not_a_wait);
}

void session_tests(void) {
  millrace_mosquitto_global_init();
  port = broker_start();
  CHECK(port > 0);
  if (port == 0) return;
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  use_libmosquitto();
  use_own_client();
  all();
  use_libmosquitto();
  all();
  run("TLS works with a small buffer and a large one", tls_works_with_a_small_buffer_and_a_large_one);
  run("TLS refuses a server that it has no reason to trust", tls_refuses_a_server_that_it_has_no_reason_to_trust);
  run("TLS needs to know the time", tls_needs_to_know_the_time);
  run("libmosquitto uses TLS when it has a certificate to trust", libmosquitto_uses_tls_when_it_has_a_certificate_to_trust);
  use_libmosquitto();
  use_openssl("127.0.0.1", broker_ca_file());
  all();
  run("OpenSSL refuses a server that it has no reason to trust", openssl_refuses_a_server_that_it_has_no_reason_to_trust);
  run("OpenSSL needs the certificate that it is to show", openssl_needs_the_certificate_that_it_is_to_show);
  openssl_client_end(&openssl);
  millrace_mosquitto_end(&mosquitto);
  close(epoll_);
  broker_stop();
}
