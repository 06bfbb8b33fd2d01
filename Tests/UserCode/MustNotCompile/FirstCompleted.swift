// error: 'firstCompleted' is unavailable: race returns the first to finish, firstSuccess the first to succeed
import Apus

func program() async throws {
    let number = try await firstCompleted([1, 2]) { $0 }
    print(number)
}
