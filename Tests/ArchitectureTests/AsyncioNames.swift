/// What somebody who comes from asyncio looks for: its public names (CPython 3.14), and the rows of the inventory of its behaviours.
enum AsyncioNames {
    /// The names of the module, of a loop, and of the objects that they give.
    static let all: [Substring] = (module + loop + methods).split { $0 == " " || $0 == "\n" }

    private static let module = """
        run Runner get_running_loop get_event_loop set_event_loop new_event_loop get_event_loop_policy set_event_loop_policy
        AbstractEventLoopPolicy DefaultEventLoopPolicy AbstractEventLoop BaseEventLoop SelectorEventLoop EventLoop
        Handle TimerHandle Server AbstractServer
        Future isfuture wrap_future ensure_future iscoroutine iscoroutinefunction
        future_add_to_awaited_by future_discard_from_awaited_by
        Task create_task current_task all_tasks eager_task_factory create_eager_task_factory TaskGroup
        gather wait wait_for as_completed sleep shield timeout timeout_at Timeout staggered_race
        FIRST_COMPLETED FIRST_EXCEPTION ALL_COMPLETED
        to_thread run_coroutine_threadsafe
        Lock Event Condition Semaphore BoundedSemaphore Barrier
        Queue PriorityQueue LifoQueue QueueFull QueueEmpty QueueShutDown
        StreamReader StreamWriter StreamReaderProtocol open_connection start_server open_unix_connection start_unix_server
        BaseProtocol Protocol BufferedProtocol DatagramProtocol SubprocessProtocol
        BaseTransport Transport ReadTransport WriteTransport DatagramTransport SubprocessTransport
        create_subprocess_exec create_subprocess_shell
        CancelledError InvalidStateError TimeoutError IncompleteReadError LimitOverrunError BrokenBarrierError
        SendfileNotAvailableError
        capture_call_graph format_call_graph print_call_graph FrameCallGraphEntry FutureCallGraph

        """
    private static let loop = """
        run_until_complete run_forever stop close is_running is_closed time
        call_soon call_soon_threadsafe call_later call_at create_future
        set_task_factory get_task_factory run_in_executor set_default_executor shutdown_default_executor shutdown_asyncgens
        getaddrinfo getnameinfo create_connection create_server create_unix_connection create_unix_server
        create_datagram_endpoint connect_accepted_socket connect_read_pipe connect_write_pipe sendfile start_tls
        sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendto sock_connect sock_accept sock_sendfile
        add_reader remove_reader add_writer remove_writer add_signal_handler remove_signal_handler
        subprocess_exec subprocess_shell
        set_exception_handler get_exception_handler default_exception_handler call_exception_handler
        get_debug set_debug slow_callback_duration

        """
    private static let methods = """
        cancel cancelled done result exception set_result set_exception add_done_callback remove_done_callback
        get_name get_coro get_context get_stack print_stack cancelling uncancel
        reschedule when expired acquire release locked notify notify_all n_waiting broken parties abort reset
        put put_nowait get get_nowait qsize empty full task_done join shutdown
        read readline readuntil readexactly at_eof write writelines drain write_eof can_write_eof get_extra_info
        is_closing wait_closed serve_forever is_serving sockets start_serving close_clients abort_clients
        connection_made data_received eof_received connection_lost datagram_received error_received get_buffer
        pause_reading resume_reading pause_writing resume_writing set_write_buffer_limits get_write_buffer_size
        set_protocol get_protocol feed_data feed_eof
        """

    /// The rows, by their numbers.
    static let rows: [String] = [
        1...14, 20...43, 50...62, 70...74, 80...96, 100...104, 110...115, 120...128,
    ]
    .flatMap { $0 }.map { "A\($0)" }
}
