#include "tls_stream.h"

#include <string.h>

/* BearSSL counts days from the year 0 (proleptic Gregorian). */
#define DAYS_TO_1970 719528
#define DAY_MS 86400000

void tls_stream_init(struct tls_stream *tls, struct millrace_stream below, const char *server_name,
                     const br_x509_trust_anchor *anchors, size_t anchor_count, unsigned char *buffer, size_t buffer_size,
                     const uint8_t entropy[32]) {
  memset(tls, 0, sizeof *tls);
  tls->below = below;
  tls->server_name = server_name;
  tls->buffer = buffer;
  tls->buffer_size = buffer_size;
  br_ssl_client_init_full(&tls->client, &tls->x509, anchors, anchor_count);
  br_ssl_engine_inject_entropy(&tls->client.eng, entropy, 32);
}

void tls_stream_set_time(struct tls_stream *tls, int64_t unix_ms) {
  br_x509_minimal_set_time(&tls->x509, (uint32_t)(unix_ms / DAY_MS) + DAYS_TO_1970, (uint32_t)(unix_ms % DAY_MS / 1000));
}

/* Moves records between the engine and the stream below until neither has anything to do. < 0: the connection is gone. */
static int pump(struct tls_stream *tls) {
  br_ssl_engine_context *engine = &tls->client.eng;
  for (;;) {
    unsigned state = br_ssl_engine_current_state(engine);
    int moved = 0;
    if (state == BR_SSL_CLOSED) return -1;
    if ((state & BR_SSL_SENDREC) != 0) {
      size_t length;
      unsigned char *bytes = br_ssl_engine_sendrec_buf(engine, &length);
      moved = tls->below.send(tls->below.context, bytes, length > UINT16_MAX ? UINT16_MAX : (uint16_t)length);
      if (moved < 0) return -1;
      if (moved > 0) br_ssl_engine_sendrec_ack(engine, (size_t)moved);
    }
    if ((state & BR_SSL_RECVREC) != 0) {
      size_t length;
      unsigned char *bytes = br_ssl_engine_recvrec_buf(engine, &length);
      int received = tls->below.receive(tls->below.context, bytes, length > UINT16_MAX ? UINT16_MAX : (uint16_t)length);
      if (received < 0) return -1;
      if (received > 0) br_ssl_engine_recvrec_ack(engine, (size_t)received);
      moved += received;
    }
    if (moved == 0) return 0;
  }
}

static int open_stream(void *context) {
  struct tls_stream *tls = context;
  if (!tls->connected) {
    int opened = tls->below.open(tls->below.context);
    if (opened <= 0) return opened;
    tls->connected = true;
  }
  if (!tls->started) {
    br_ssl_engine_set_buffer(&tls->client.eng, tls->buffer, tls->buffer_size, tls->buffer_size >= BR_SSL_BUFSIZE_BIDI);
    if (!br_ssl_client_reset(&tls->client, tls->server_name, 0)) return -1;
    tls->started = true;
  }
  if (pump(tls) < 0) return -1;
  /* Application data is taken once the handshake is done. */
  return (br_ssl_engine_current_state(&tls->client.eng) & BR_SSL_SENDAPP) != 0 ? 1 : 0;
}

static int send_bytes(void *context, const uint8_t *bytes, uint16_t length) {
  struct tls_stream *tls = context;
  size_t room;
  unsigned char *to;
  if (pump(tls) < 0) return -1;
  to = br_ssl_engine_sendapp_buf(&tls->client.eng, &room);
  if (to == NULL) return 0;
  if (room > length) room = length;
  memcpy(to, bytes, room);
  br_ssl_engine_sendapp_ack(&tls->client.eng, room);
  br_ssl_engine_flush(&tls->client.eng, 0);
  return pump(tls) < 0 ? -1 : (int)room;
}

static int receive_bytes(void *context, uint8_t *bytes, uint16_t length) {
  struct tls_stream *tls = context;
  size_t there;
  int gone = pump(tls);
  unsigned char *from = br_ssl_engine_recvapp_buf(&tls->client.eng, &there);
  if (from == NULL) return gone;
  if (there > length) there = length;
  memcpy(bytes, from, there);
  br_ssl_engine_recvapp_ack(&tls->client.eng, there);
  return (int)there;
}

static void close_stream(void *context) {
  struct tls_stream *tls = context;
  if (tls->started) {
    br_ssl_engine_close(&tls->client.eng);
    (void)pump(tls);
  }
  tls->below.close(tls->below.context);
  tls->connected = false;
  tls->started = false;
}

struct millrace_stream tls_stream_port(struct tls_stream *tls) {
  struct millrace_stream port = {tls, open_stream, send_bytes, receive_bytes, close_stream};
  return port;
}
