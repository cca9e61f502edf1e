#include <torchship/model.h>

#include <span>

#include <torchship/version.h>

#include "c_api/handles.h"
#include "c_api/lease.h"
#include "libtorch_version.h"

using namespace torchship;         // NOLINT(google-build-using-namespace)
using namespace torchship::c_api;  // NOLINT(google-build-using-namespace)

int32_t ts_api_version(void) { return TS_API_VERSION; }

const char* ts_version(void) { return version(); }

const char* ts_libtorch_version(void) {
  return guarded_pointer<const char>([] {
    static const std::string version = running_libtorch();
    return version.c_str();
  });
}

ts_model* ts_model_load(const char* path, const ts_options* options) {
  return guarded_pointer<ts_model>([&] {
    const Source archive(&given(path, "ts_model_load", "path"));
    return new ts_model(Model(archive, options_of(options)));
  });
}

ts_model* ts_model_load_memory(const void* bytes, size_t size, const char* name, ts_release release,
                               void* context, const ts_options* options) {
  return guarded_pointer<ts_model>([&] {
    constexpr auto kFunction = "ts_model_load_memory";
    const std::span span(&given(static_cast<const std::byte*>(bytes), kFunction, "bytes"), size);
    const auto lease = std::make_shared<Lease>(release, context);
    const Source archive = Source::memory(span, &given(name, kFunction, "name"), lease);
    auto* const model = new ts_model(Model(archive, options_of(options)));
    lease->take();
    return model;
  });
}

void ts_model_free(ts_model* model) {
  guarded_status([&] { delete model; });
}

const ts_info* ts_model_info(const ts_model* model) {
  return guarded_pointer<const ts_info>(
      [&] { return &given(model, "ts_model_info", "model").info; });
}

const char* ts_model_device(const ts_model* model) {
  return guarded_pointer<const char>(
      [&] { return given(model, "ts_model_device", "model").device.c_str(); });
}

const char* ts_model_engine(const ts_model* model) {
  return guarded_pointer<const char>(
      [&] { return given(model, "ts_model_engine", "model").model.engine().name.c_str(); });
}

const char* ts_model_engine_reason(const ts_model* model) {
  return guarded_pointer<const char>([&] {
    return given(model, "ts_model_engine_reason", "model").model.engine().reason.c_str();
  });
}

size_t ts_model_passed_over_count(const ts_model* model) {
  return guarded(std::size_t{0}, [&] {
    return given(model, "ts_model_passed_over_count", "model").model.engine().passed_over.size();
  });
}

ts_status ts_model_passed_over(const ts_model* model, size_t index, const char** engine,
                               const char** reason) {
  return guarded_status([&] {
    constexpr auto kFunction = "ts_model_passed_over";
    const auto& all = given(model, kFunction, "model").model.engine().passed_over;
    require_index(index, all.size(), kFunction);
    const char*& name = given(engine, kFunction, "engine");
    given(reason, kFunction, "reason") = all[index].reason.c_str();
    name = all[index].engine.c_str();
  });
}
