import CApus
import Synchronization

/// Debug mode: how a task came about. Its id is known when it begins.
final class TaskCreation: Sendable {
    let site: CallTrace
    /// The task that started it.
    let parent: UInt64?
    private let taskID = Atomic<UInt64>(0)

    init() {
        site = .here()
        let current = currentTaskID()
        parent = current == 0 ? nil : current
    }

    /// The runtime's id, once the task has begun.
    var id: UInt64? {
        let id = taskID.load(ordering: .relaxed)
        return id == 0 ? nil : id
    }

    func begins(as id: UInt64) { taskID.store(id, ordering: .relaxed) }
}

/// Debug mode: what a loop knows of a task that Apus started.
struct TrackedTask: Sendable {
    /// Where the runtime keeps it. It has not ended as long as it is in the registry.
    var address: UInt
    var name: String?
    var parent: UInt64?
    var creationSite: CallTrace?
    var runs = 0
    var nanoseconds: Int64 = 0
}

/// Debug mode: a task's place in the registry, from its beginning to its end. Its own wrapper gives it back.
@usableFromInline
package struct TaskTracking: Sendable {
    private let loop: EventLoop
    private let id: UInt64

    fileprivate init(name: String?, parent: UInt64?, site: CallTrace?, on loop: EventLoop) {
        self.loop = loop
        id = currentTaskID()
        let address = UInt(bitPattern: swift_task_getCurrent())
        loop.registry.track(
            TrackedTask(address: address, name: name, parent: parent, creationSite: site),
            as: id
        )
    }

    package func end() { loop.registry.untrack(id) }
}

/// Debug mode: the children of one call of a function of Apus's.
package final class ChildTracking: Sendable {
    private let function: String
    private let loop: EventLoop
    private let site = CallTrace.here()
    private let parent = currentTaskID()

    fileprivate init(_ function: StaticString, on loop: EventLoop) {
        self.function = "\(function)"
        self.loop = loop
    }

    /// Called by a child, first.
    package func begin(_ index: Int) -> TaskTracking {
        TaskTracking(name: "\(function)[\(index)]", parent: parent, site: site, on: loop)
    }
}

extension EventLoop {
    /// For a function that starts children, whose places in it become their names. Nil out of debug mode.
    @inline(__always)
    package func trackingChildren(of function: StaticString) -> ChildTracking? {
        options.debug ? ChildTracking(function, on: self) : nil
    }

    /// For a task of Apus's that nobody spawned; called by it, first. Nil out of debug mode.
    @inline(__always)
    package func tracking(_ name: @autoclosure () -> String) -> TaskTracking? {
        options.debug ? TaskTracking(name: name(), parent: nil, site: nil, on: self) : nil
    }

    /// Called by a spawned task, first. Nil out of debug mode.
    @usableFromInline
    func tracks(_ record: TaskRecord) -> TaskTracking? {
        record.creation.map { track($0, name: record.name) }
    }

    @inline(never)
    func track(_ creation: TaskCreation, name: String?) -> TaskTracking {
        creation.begins(as: currentTaskID())
        return TaskTracking(name: name, parent: creation.parent, site: creation.site, on: self)
    }
}
