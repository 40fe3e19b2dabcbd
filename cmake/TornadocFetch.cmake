# TORNADOC_FETCH_DEPS: llhttp and yyjson from their upstream releases. Both become static archives of our own name, installed with
# us for those who link the static library; in our shared library their symbols are hidden, so that a program's own copies of them
# never meet ours. -DFETCHCONTENT_SOURCE_DIR_LLHTTP=<folder> and …_YYJSON take them from unpacked releases instead.

include(FetchContent)
set(FETCHCONTENT_QUIET OFF)

# The releases carry the generated C, and build files that we do not need: SOURCE_SUBDIR names none on purpose.
FetchContent_Declare(llhttp SOURCE_SUBDIR none
  URL https://github.com/nodejs/llhttp/archive/refs/tags/release/v9.3.0.tar.gz
  URL_HASH SHA256=1a2b45cb8dda7082b307d336607023aa65549d6f060da1d246b1313da22b685a)
FetchContent_Declare(yyjson SOURCE_SUBDIR none
  URL https://github.com/ibireme/yyjson/archive/refs/tags/0.12.0.tar.gz
  URL_HASH SHA256=b16246f617b2a136c78d73e5e2647c6f1de1313e46678062985bdcf1f40bb75d)
FetchContent_MakeAvailable(llhttp yyjson)

function(tornadoc_add_fetched name header)
  cmake_path(GET header PARENT_PATH folder)
  add_library(tornadoc_${name} STATIC ${ARGN})
  target_include_directories(tornadoc_${name} SYSTEM PUBLIC
    $<BUILD_INTERFACE:${folder}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/tornadoc/deps>)
  set_target_properties(tornadoc_${name} PROPERTIES
    EXPORT_NAME ${name} OUTPUT_NAME tornadoc-${name} POSITION_INDEPENDENT_CODE ON)
  add_library(tornadoc::${name} ALIAS tornadoc_${name})
  install(TARGETS tornadoc_${name} EXPORT fetched)
  install(FILES ${header} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tornadoc/deps)
endfunction()

set(src ${llhttp_SOURCE_DIR}/src)
tornadoc_add_fetched(llhttp ${llhttp_SOURCE_DIR}/include/llhttp.h ${src}/api.c ${src}/http.c ${src}/llhttp.c)
tornadoc_add_fetched(yyjson ${yyjson_SOURCE_DIR}/src/yyjson.h ${yyjson_SOURCE_DIR}/src/yyjson.c)
install(EXPORT fetched NAMESPACE tornadoc:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tornadoc FILE tornadocFetched.cmake)
