/* Every test of the library: on the host under sanitizers, and on an emulated Cortex-M3. */
#include "check.h"
#include "suites.h"

int main(void) {
  frame_tests();
  batcher_tests();
  store_tests();
  flash_tests();
  flash_damage_tests();
  boot_tests();
  power_cut_tests();
  mqtt_tests();
  publisher_tests();
  publisher_recovery_tests();
  return finish();
}
