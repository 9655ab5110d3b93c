# The library as a component of ESP8266_RTOS_SDK: put firmware/ports/esp8266 in EXTRA_COMPONENT_DIRS.
COMPONENT_SRCDIRS := . ../../src
COMPONENT_ADD_INCLUDEDIRS := . ../../include ../../generated
