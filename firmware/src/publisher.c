#include "millrace/publisher.h"

#include <string.h>

/* PUBACK reasons (MQTT 5.0, table 3-4). */
#define NO_MATCHING_SUBSCRIBERS 0x10
#define FIRST_FAILURE 0x80

enum millrace_status millrace_publisher_init(struct millrace_publisher *publisher,
                                             const struct millrace_publisher_config *config) {
  if (config->in_flight == NULL || config->in_flight_size == 0) return MILLRACE_BAD_ARGUMENT;
  if (config->reconnect_min_ms == 0 || config->reconnect_min_ms > config->reconnect_max_ms)
    return MILLRACE_BAD_ARGUMENT;
  memset(publisher, 0, sizeof *publisher);
  publisher->config = *config;
  /* Zero is the one state that xorshift never leaves. */
  publisher->random = config->seed == 0 ? 1 : config->seed;
  return MILLRACE_OK;
}

/* Marsaglia's xorshift32: spreads reconnections, protects nothing. */
static uint32_t random_below(struct millrace_publisher *publisher, uint32_t limit) {
  uint32_t x = publisher->random;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  publisher->random = x;
  return limit == 0 ? 0 : x % limit;
}

/* The random wait after one more of so many attempts. */
static uint32_t full_jitter(struct millrace_publisher *publisher, uint8_t *attempts) {
  uint32_t ceiling = publisher->config.reconnect_min_ms;
  for (unsigned i = 0; i < *attempts && ceiling < publisher->config.reconnect_max_ms; i++)
    ceiling = ceiling > publisher->config.reconnect_max_ms / 2 ? publisher->config.reconnect_max_ms : ceiling * 2;
  if (*attempts < UINT8_MAX) ++*attempts;
  return random_below(publisher, ceiling);
}

static void enter(struct millrace_publisher *publisher, enum millrace_publisher_state state, uint32_t now_ms) {
  publisher->state = state;
  publisher->since_ms = now_ms;
}

/* Frames in flight are to be sent again on the next connection. */
static void close_session(struct millrace_publisher *publisher, bool graceful) {
  publisher->config.session.close(publisher->config.session.context, graceful);
  for (unsigned i = 0; i < publisher->in_flight; i++) publisher->config.in_flight[i].sent = false;
}

static void lose_connection(struct millrace_publisher *publisher, uint32_t now_ms) {
  close_session(publisher, false);
  publisher->wait_ms = full_jitter(publisher, &publisher->attempts);
  enter(publisher, MILLRACE_PUBLISHER_WAITING, now_ms);
}

void millrace_publisher_start(struct millrace_publisher *publisher, uint32_t now_ms, uint32_t spread_ms) {
  publisher->wait_ms = random_below(publisher, spread_ms);
  enter(publisher, MILLRACE_PUBLISHER_WAITING, now_ms);
}

static void connect_session(struct millrace_publisher *publisher, uint32_t now_ms) {
  const struct millrace_identity *identity = publisher->config.identity;
  struct millrace_session_options options;
  int opened;

  options.client_id = identity->device;
  options.username = identity->device;
  options.password = publisher->config.password;
  options.will_topic = identity->status_topic;
  options.will = identity->will;
  options.keep_alive_s = MILLRACE_KEEP_ALIVE_S;
  enter(publisher, MILLRACE_PUBLISHER_CONNECTING, now_ms);
  opened = publisher->config.session.open(publisher->config.session.context, &options, now_ms);
  if (opened > 0) return;
  lose_connection(publisher, now_ms);
}

static void connected(struct millrace_publisher *publisher, const struct millrace_event *event, uint32_t now_ms) {
  uint16_t size = publisher->config.in_flight_size;
  publisher->window = event->receive_maximum < size ? event->receive_maximum : size;
  publisher->birth_due = true;
  publisher->birth_unacknowledged = false;
  publisher->hold_ms = 0;
  publisher->connections++;
  if (publisher->config.live_first) publisher->config.store.divide(publisher->config.store.context);
  enter(publisher, MILLRACE_PUBLISHER_READY, now_ms);
}

/* Removes an entry and keeps the others in order. Acknowledgements come in order, so it is the first as a rule. */
static void forget(struct millrace_publisher *publisher, uint16_t index) {
  struct millrace_in_flight *entry = &publisher->config.in_flight[index];
  /* A frame that cannot be released comes back after a reset and is sent again, which the database removes. */
  (void)publisher->config.store.release(publisher->config.store.context, entry->handle);
  publisher->in_flight--;
  memmove(entry, entry + 1, (size_t)(publisher->in_flight - index) * sizeof *entry);
}

static void acknowledged(struct millrace_publisher *publisher, const struct millrace_event *event, uint32_t now_ms) {
  const struct millrace_observer *observer = &publisher->config.observer;
  bool good = event->reason < FIRST_FAILURE && event->reason != NO_MATCHING_SUBSCRIBERS;

  if (publisher->birth_unacknowledged && event->packet_id == publisher->birth_packet_id) {
    /* Nobody has to be subscribed to a status: it is retained. */
    publisher->birth_unacknowledged = false;
    /* A broker may take the birth and hang up on the first frame, for ever: while a frame waits, its PUBACK decides. */
    if (publisher->in_flight == 0) publisher->attempts = 0;
    return;
  }
  for (unsigned i = 0; i < publisher->in_flight; i++) {
    struct millrace_in_flight *entry = &publisher->config.in_flight[i];
    if (!entry->sent || entry->packet_id != event->packet_id) continue;
    if (observer->acknowledged != NULL) observer->acknowledged(observer->context, entry->handle, event->reason);
    if (good) {
      publisher->refusals = 0;
      publisher->attempts = 0;
      forget(publisher, (uint16_t)i);
    } else {
      entry->sent = false;
      publisher->refused++;
      publisher->hold_ms = 1 + full_jitter(publisher, &publisher->refusals);
      publisher->held_ms = now_ms;
    }
    return;
  }
}

/* Publishes a status. > 0 sent, 0 no room, < 0 the connection is gone. */
static int send_status(const struct millrace_publisher *publisher, const char *status, uint16_t *packet_id) {
  struct millrace_message message;
  message.topic = publisher->config.identity->status_topic;
  message.payload = (const uint8_t *)status;
  message.length = (uint16_t)strlen(status);
  message.retain = true;
  return publisher->config.session.publish(publisher->config.session.context, &message, packet_id);
}

/* A frame of this boot that was sealed before the time of day was known gets it when it is first sent. */
static bool needs_time(const struct millrace_publisher *publisher, const struct millrace_in_flight *entry,
                       const struct millrace_message *message) {
  const struct millrace_clock *clock = publisher->config.clock;
  struct millrace_frame_start start;
  int32_t samples;

  if (clock == NULL || !clock->synced || entry->fixed) return false;
  if (millrace_frame_peek(message->payload, message->length, &start, &samples) != MILLRACE_OK) return false;
  return start.clock == MILLRACE_UPTIME && start.boot == publisher->config.boot;
}

/* The frame in the store, as it is to be sent. False: it cannot be had. */
static bool read_frame(struct millrace_publisher *publisher, const struct millrace_in_flight *entry,
                       struct millrace_message *message) {
  const struct millrace_store *store = &publisher->config.store;
  if (store->read(store->context, entry->handle, &message->payload, &message->length) != MILLRACE_OK) return false;
  if (!needs_time(publisher, entry, message)) return true;
  (void)store->correct(store->context, entry->handle, publisher->config.clock->offset);
  return store->read(store->context, entry->handle, &message->payload, &message->length) == MILLRACE_OK;
}

/* > 0 sent or given up, 0 no room, < 0 the connection is gone. */
static int send_frame(struct millrace_publisher *publisher, uint16_t index, uint32_t now_ms) {
  struct millrace_in_flight *entry = &publisher->config.in_flight[index];
  const struct millrace_observer *observer = &publisher->config.observer;
  struct millrace_message message = {publisher->config.identity->telemetry_topic, NULL, 0, false};
  int sent;

  if (!read_frame(publisher, entry, &message)) {
    publisher->unreadable++;
    forget(publisher, index);
    return 1;
  }
  sent = publisher->config.session.publish(publisher->config.session.context, &message, &entry->packet_id);
  if (sent <= 0) return sent;
  if (entry->fixed) publisher->resent++;
  entry->sent = true;
  entry->fixed = true;
  entry->sent_ms = now_ms;
  if (observer->published != NULL) observer->published(observer->context, entry->handle);
  return 1;
}

/* Sends what the window allows. > 0 something was sent, 0 nothing, < 0 the connection is gone. */
static int send_all(struct millrace_publisher *publisher, uint32_t now_ms) {
  int progress = 0;

  if (publisher->birth_due) {
    progress = send_status(publisher, publisher->config.identity->birth, &publisher->birth_packet_id);
    if (progress <= 0) return progress;
    publisher->birth_due = false;
    publisher->birth_unacknowledged = true;
  }
  if (publisher->hold_ms > 0) {
    if (now_ms - publisher->held_ms < publisher->hold_ms) return progress;
    publisher->hold_ms = 0;
  }
  for (unsigned i = 0; i + (publisher->birth_unacknowledged ? 1 : 0) < publisher->window; i++) {
    struct millrace_in_flight *entry = &publisher->config.in_flight[i];
    uint16_t before = publisher->in_flight;
    int sent;
    if (i < publisher->in_flight) {
      if (entry->sent) continue;
    } else {
      memset(entry, 0, sizeof *entry);
      if (publisher->config.store.take(publisher->config.store.context, &entry->handle) != MILLRACE_OK) break;
      publisher->in_flight++;
      before++;
    }
    sent = send_frame(publisher, (uint16_t)i, now_ms);
    if (sent <= 0) return sent < 0 ? sent : progress;
    /* A frame that could not be read has left the table: its place holds the next one. */
    if (publisher->in_flight < before) i--;
    progress = 1;
  }
  return progress;
}

static bool response_overdue(const struct millrace_publisher *publisher, uint32_t now_ms) {
  const struct millrace_in_flight *oldest = publisher->config.in_flight;
  if (publisher->state == MILLRACE_PUBLISHER_CONNECTING || publisher->birth_unacknowledged)
    return now_ms - publisher->since_ms > MILLRACE_RESPONSE_MS;
  return publisher->in_flight > 0 && oldest->sent && now_ms - oldest->sent_ms > MILLRACE_RESPONSE_MS;
}

void millrace_publisher_poll(struct millrace_publisher *publisher, uint32_t now_ms) {
  const struct millrace_session *session = &publisher->config.session;
  int outcome;

  if (publisher->state == MILLRACE_PUBLISHER_STOPPED) return;
  if (publisher->state == MILLRACE_PUBLISHER_WAITING) {
    if (now_ms - publisher->since_ms < publisher->wait_ms) return;
    connect_session(publisher, now_ms);
    if (publisher->state != MILLRACE_PUBLISHER_CONNECTING) return;
  }
  do {
    struct millrace_event event;
    while ((outcome = session->poll(session->context, now_ms, &event)) > 0) {
      if (event.kind == MILLRACE_CONNECTED) {
        connected(publisher, &event, now_ms);
      } else {
        acknowledged(publisher, &event, now_ms);
      }
    }
    if (outcome == 0 && publisher->state == MILLRACE_PUBLISHER_READY) outcome = send_all(publisher, now_ms);
  } while (outcome > 0);
  if (outcome < 0 || response_overdue(publisher, now_ms)) lose_connection(publisher, now_ms);
}

void millrace_publisher_stop(struct millrace_publisher *publisher) {
  uint16_t packet_id;
  if (publisher->state == MILLRACE_PUBLISHER_READY)
    (void)send_status(publisher, publisher->config.identity->farewell, &packet_id);
  close_session(publisher, true);
  publisher->state = MILLRACE_PUBLISHER_STOPPED;
}
