# How stacks are switched: by src/coroutine/switch.S where the machine is one it knows, by ucontext elsewhere; or not at all, and then
# src/coroutine/none.c stands for the files that do.

set(switching src/coroutine/switch.c src/coroutine/stack_pool.c src/coroutine/coroutine.c src/coroutine/overflow.c)
list(TRANSFORM switching PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
set(no_switching ${CMAKE_CURRENT_SOURCE_DIR}/src/coroutine/none.c)

include(CheckSymbolExists)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64|aarch64|arm64)$" AND NOT TORNADOC_UCONTEXT)
  set(switch_found ON)
  enable_language(ASM)
  list(APPEND sources ${CMAKE_CURRENT_SOURCE_DIR}/src/coroutine/switch.S)
else()
  check_symbol_exists(makecontext ucontext.h switch_found)
  set(coroutine_definitions TC__UCONTEXT=1)
endif()

if(TORNADOC_COROUTINES STREQUAL "OFF" OR (TORNADOC_COROUTINES STREQUAL "AUTO" AND NOT switch_found))
  set(tornadoc_coroutines OFF)
  list(REMOVE_ITEM sources ${switching} ${CMAKE_CURRENT_SOURCE_DIR}/src/coroutine/switch.S)
  list(APPEND coroutine_definitions TC__NO_COROUTINES=1)
elseif(switch_found)
  set(tornadoc_coroutines ON)
  list(REMOVE_ITEM sources ${no_switching})
else()
  message(FATAL_ERROR "TORNADOC_COROUTINES=ON, but this system has no way to switch stacks that we know")
endif()
