// The umbrella: `import Apus` is everything a program needs. It re-exports, and adds nothing.
//
// No type here is ever called `Apus`, so that `Apus.EventLoop` and `Apus.sleep(for:)` always resolve.
@_exported public import ApusHTTPClient
@_exported public import ApusHTTPServer
@_exported public import ApusNet
@_exported public import ApusRuntime
@_exported public import ApusWire
@_exported public import HTTPTypes
