// The rules of the loop that only a process of its own can show, and in a release build: `apus-hop-check`.
//
// Without an argument: on which thread does code run? One line per check, `ok …` or `FAIL …`, then `N passed, M failed`.
// With one (`sigint`, `sigpipe`, `fork`, …): one scene, for the subprocess tests of ApusRuntimeTests; see Scenes.swift.

import Glibc

// By line even into a pipe: a scene may end by a signal.
if let output = fdopen(1, "w") { setlinebuf(output) }
if CommandLine.arguments.count > 1 {
    guard let scene = Scene.all[CommandLine.arguments[1]] else {
        print("apus-hop-check: no scene “\(CommandLine.arguments[1])”; there are: \(Scene.all.keys.sorted())")
        exit(2)
    }
    exit(scene())
}
exit(HopCheck.run())
