/* A whole device on a bare Cortex-M3: sensor, batcher, RAM store, publisher, MQTT 5 over a UART. It publishes 40 samples of
 * plant-1 at 20 Hz, waits for every PUBACK and exits with 0, or with 1 after 20 seconds. */
#include <stdlib.h>

#include "board.h"
#include "millrace/batcher.h"
#include "millrace/mqtt.h"
#include "millrace/publisher.h"
#include "millrace/ram_store.h"
#include "plant_1.h"

#define SAMPLES 40
#define PERIOD_MS 50
#define SLOTS 8
#define BOOT 1 /* a device keeps it in flash: boot.h */

static struct millrace_clock device_clock;
static struct millrace_batcher batcher;
static struct millrace_ram_store ram;
static struct millrace_publisher publisher;
static struct millrace_mqtt mqtt;
static struct millrace_identity identity;
static struct millrace_slot slots[SLOTS];
static struct millrace_in_flight in_flight[4];
static uint8_t frames[SLOTS * MILLRACE_MAX_PAYLOAD];
static uint8_t batching[2 * MILLRACE_MAX_PAYLOAD];
static uint8_t transmit[512];
static uint8_t receive[64];

static void start(void) {
  struct millrace_batcher_config batching_config = {&plant_1_schema, &device_clock, {0, 0}, batching, MILLRACE_MAX_PAYLOAD, MILLRACE_FLUSH_MS, BOOT};
  struct millrace_publisher_config publishing = {0};

  board_init();
  millrace_clock_init(&device_clock, board_now_ms, 0);
  (void)millrace_identity_init(&identity, "cortex-m-1", plant_1_schema.firmware, BOOT);
  (void)millrace_ram_store_init(&ram, slots, SLOTS, frames, MILLRACE_MAX_PAYLOAD, MILLRACE_DISCARD_OLDEST);
  batching_config.sink = millrace_ram_store_sink(&ram);
  (void)millrace_batcher_init(&batcher, &batching_config);
  millrace_mqtt_init(&mqtt, board_uart_stream(), transmit, sizeof transmit, receive, sizeof receive);
  publishing.session = millrace_mqtt_session(&mqtt);
  publishing.store = millrace_ram_store_port(&ram);
  publishing.identity = &identity;
  publishing.in_flight = in_flight;
  publishing.in_flight_size = 4;
  publishing.live_first = true;
  publishing.seed = 1;
  publishing.reconnect_min_ms = MILLRACE_RECONNECT_MIN_MS;
  publishing.reconnect_max_ms = MILLRACE_RECONNECT_MAX_MS;
  publishing.clock = &device_clock;
  publishing.boot = BOOT;
  (void)millrace_publisher_init(&publisher, &publishing);
  millrace_publisher_start(&publisher, board_now_ms(0), 0);
}

int main(void) {
  struct plant_1_sample sample = {6200, 2500, 75000, 10130, 11800};
  int32_t row[PLANT_1_METRICS];
  uint32_t taken = 0;

  start();
  while (board_now_ms(0) < 20000) {
    if (taken < SAMPLES && board_now_ms(0) >= taken * PERIOD_MS + 100) {
      sample.temperature += (int32_t)(taken % 3) - 1;
      if (plant_1_row(&sample, row) == MILLRACE_OK) (void)millrace_batcher_sample(&batcher, row);
      if (++taken == SAMPLES) (void)millrace_batcher_flush(&batcher);
    }
    (void)millrace_batcher_poll(&batcher);
    millrace_publisher_poll(&publisher, board_now_ms(0));
    if (taken == SAMPLES && ram.waiting == 0 && publisher.in_flight == 0) {
      millrace_publisher_stop(&publisher);
      exit(publisher.refused == 0 && publisher.connections == 1 ? 0 : 1);
    }
    board_wait();
  }
  exit(1);
}
