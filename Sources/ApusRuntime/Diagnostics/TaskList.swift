/// The tasks of a loop at one moment: see ``EventLoop/tasks(timeout:)``.
public struct TaskList: Sendable, RandomAccessCollection, CustomStringConvertible {
    /// How many tasks the description shows.
    private static let shownTasks = 1_000

    /// The tasks; children come after their parents.
    private let tasks: [TaskInfo]
    /// The loop's name.
    public let loop: String
    /// Why the children of task groups and `async let`, states and places are missing: this Swift runtime keeps them in a way that
    /// Apus does not know. Nil if they are there.
    public let childrenUnavailableReason: String?

    init(_ tasks: [TaskInfo], loop: String, childrenUnavailableReason: String?) {
        self.tasks = tasks
        self.loop = loop
        self.childrenUnavailableReason = childrenUnavailableReason
    }

    public var startIndex: Int { 0 }
    public var endIndex: Int { tasks.count }
    public subscript(index: Int) -> TaskInfo { tasks[index] }

    /// The task with an id.
    public subscript(id id: UInt64) -> TaskInfo? { tasks.first { $0.id == id } }

    /// The children of a task, or what it spawned.
    public func children(of id: UInt64) -> [TaskInfo] { tasks.filter { $0.parent == id } }

    /// Tasks that wait for each other in a circle, and so for ever: each is a list of ids, in which every task awaits the next and the
    /// last the first.
    public var cycles: [[UInt64]] {
        var awaited: [UInt64: UInt64] = [:]
        for task in tasks { if case .waiting(.task(let other)) = task.state { awaited[task.id] = other } }
        var found: [[UInt64]] = []
        var visited: Set<UInt64> = []
        for start in tasks.map(\.id) where !visited.contains(start) {
            var path: [UInt64] = []
            var next: UInt64? = start
            while let id = next, visited.insert(id).inserted {
                path.append(id)
                next = awaited[id]
            }
            if let end = next, let first = path.firstIndex(of: end) { found.append(Array(path[first...])) }
        }
        return found
    }

    /// The tasks as a tree, with the line where each is suspended: asyncio's `pstree`. Looks names up: see ``CallTrace``.
    public var description: String {
        let shown = prefix(Self.shownTasks)
        CallTrace.prepare(shown.flatMap { [$0.suspension, $0.creationSite].compactMap { $0 } })
        let ids = Set(shown.map(\.id))
        let children = Dictionary(grouping: shown) { $0.parent.flatMap { ids.contains($0) ? $0 : nil } }
        var lines = ["Event loop “\(loop)”: \(count) \(count == 1 ? "task" : "tasks")"]
        // A stack of one's own: a chain of tasks may be deeper than the thread's.
        var left = (children[nil] ?? []).reversed().map { (task: $0, depth: 1) }
        while let (task, depth) = left.popLast() {
            let indent = String(repeating: "  ", count: depth)
            lines.append(indent + task.description)
            if let place = task.suspension?.place { lines.append("\(indent)    at \(place.place)") }
            if let site = task.creationSite?.place { lines.append("\(indent)    started by \(site.place)") }
            left += (children[task.id] ?? []).reversed().map { ($0, depth + 1) }
        }
        if count > shown.count { lines.append("  … and \(count - shown.count) more") }
        for cycle in cycles {
            let circle = (cycle + cycle.prefix(1)).map { "#\($0)" }.joined(separator: " → ")
            lines.append("  These wait for each other, for ever: \(circle)")
        }
        if let childrenUnavailableReason {
            lines.append("  Children and places are missing: \(childrenUnavailableReason).")
        }
        return lines.joined(separator: "\n")
    }
}
