#include <new>

#include "c_api/guard.h"
#include "torchscript/message.h"

namespace torchship::c_api {
namespace {

struct Failure {
  ts_status status = TS_OK;
  std::string message;
  std::string hint;
  bool untold = false;  ///< There was no memory for the message.
};

thread_local Failure last;

void keep(ts_status status, std::string message, std::string hint) {
  last = {.status = status, .message = std::move(message), .hint = std::move(hint)};
}

void keep(ts_status status, const Error& error) { keep(status, error.message(), error.hint()); }

void keep_current() {
  try {
    throw;
  } catch (const ArgumentError& error) {
    keep(TS_ARGUMENT_ERROR, error);
  } catch (const ArchiveError& error) {
    keep(TS_ARCHIVE_ERROR, error);
  } catch (const SignatureError& error) {
    keep(TS_SIGNATURE_ERROR, error);
  } catch (const DeviceError& error) {
    keep(TS_DEVICE_ERROR, error);
  } catch (const EngineError& error) {
    keep(TS_ENGINE_ERROR, error);
  } catch (const std::bad_alloc&) {
    keep(TS_OTHER_ERROR, "out of memory", "");
  } catch (const std::exception& error) {
    TorchMessage said = explain(error);
    keep(TS_OTHER_ERROR, std::move(said.text), std::move(said.hint));
  } catch (...) {
    keep(TS_OTHER_ERROR, "an exception of an unknown kind", "");
  }
}

}  // namespace

ts_status remember_failure() noexcept {
  try {
    keep_current();
  } catch (...) {
    last.status = TS_OTHER_ERROR;
    last.untold = true;
  }
  return last.status;
}

}  // namespace torchship::c_api

using torchship::c_api::last;

ts_status ts_error_status(void) { return last.status; }

const char* ts_error_message(void) { return last.untold ? "out of memory" : last.message.c_str(); }

const char* ts_error_hint(void) { return last.untold ? "" : last.hint.c_str(); }
