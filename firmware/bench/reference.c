/* The smallest whole device, for measuring what the library adds to an image. WITH_FLASH keeps frames in flash, WITH_MQTT
 * uses the library's MQTT client in place of the platform's. The platform's side is declared and never defined. */
#include "hive_1.h"
#include "millrace/batcher.h"
#include "millrace/boot.h"
#include "millrace/flash_store.h"
#include "millrace/mqtt.h"
#include "millrace/publisher.h"
#include "millrace/ram_store.h"

uint32_t platform_now(void *context);
extern const struct millrace_stream platform_stream;
extern const struct millrace_session platform_session;
extern const struct millrace_flash platform_flash;
extern volatile int platform_sensor;

static struct millrace_clock device_clock;
static struct millrace_batcher batcher;
static struct millrace_publisher publisher;
static struct millrace_identity identity;
static struct millrace_in_flight in_flight[4];
static uint8_t batching[2 * MILLRACE_MAX_PAYLOAD];

#ifdef WITH_FLASH
/* A megabyte in sectors of 4096 bytes, 13 slots each. */
static struct millrace_flash_store store;
static struct millrace_sector sectors[256];
static uint8_t bits[416];
static uint8_t frame[MILLRACE_MAX_PAYLOAD];
#else
static struct millrace_ram_store store;
static struct millrace_slot slots[16];
static uint8_t frames[16 * MILLRACE_MAX_PAYLOAD];
#endif
#ifdef WITH_MQTT
static struct millrace_mqtt mqtt;
static uint8_t transmit[512];
static uint8_t receive[64];
#endif

void device(void) {
  struct millrace_batcher_config batch = {&hive_1_schema, &device_clock, {0, 0}, batching, MILLRACE_MAX_PAYLOAD, MILLRACE_FLUSH_MS, 1};
  struct millrace_publisher_config publish = {0};
#ifdef WITH_FLASH
  struct millrace_flash_memory memory = {sectors, bits, frame, MILLRACE_MAX_PAYLOAD};
  int32_t discarded;
  (void)millrace_boot_next(&platform_flash, 1, &batch.boot);
  (void)millrace_flash_store_open(&store, &platform_flash, &memory, &discarded);
  batch.sink = millrace_flash_store_sink(&store);
  publish.store = millrace_flash_store_port(&store);
#else
  (void)millrace_ram_store_init(&store, slots, 16, frames, MILLRACE_MAX_PAYLOAD, MILLRACE_DISCARD_OLDEST);
  batch.sink = millrace_ram_store_sink(&store);
  publish.store = millrace_ram_store_port(&store);
#endif
#ifdef WITH_MQTT
  millrace_mqtt_init(&mqtt, platform_stream, transmit, sizeof transmit, receive, sizeof receive);
  publish.session = millrace_mqtt_session(&mqtt);
#else
  publish.session = platform_session;
#endif
  millrace_clock_init(&device_clock, platform_now, 0);
  (void)millrace_identity_init(&identity, "hive-7", "hive-1", batch.boot);
  (void)millrace_batcher_init(&batcher, &batch);
#ifdef WITH_FLASH
  millrace_batcher_discard(&batcher, discarded);
#endif
  publish.identity = &identity;
  publish.in_flight = in_flight;
  publish.in_flight_size = 4;
  publish.live_first = true;
  publish.seed = 1;
  publish.reconnect_min_ms = MILLRACE_RECONNECT_MIN_MS;
  publish.reconnect_max_ms = MILLRACE_RECONNECT_MAX_MS;
  publish.clock = &device_clock;
  publish.boot = batch.boot;
  (void)millrace_publisher_init(&publisher, &publish);
  millrace_publisher_start(&publisher, platform_now(0), 1000);
  while (platform_sensor != 0) {
    (void)millrace_clock_set(&device_clock, platform_sensor);
    (void)millrace_batcher_reading(&batcher, HIVE_1_TEMPERATURE, platform_sensor);
    (void)millrace_batcher_reading(&batcher, HIVE_1_HUMIDITY, platform_sensor);
    (void)millrace_batcher_poll(&batcher);
    millrace_publisher_poll(&publisher, platform_now(0));
  }
  (void)millrace_batcher_flush(&batcher);
  millrace_publisher_stop(&publisher);
}
