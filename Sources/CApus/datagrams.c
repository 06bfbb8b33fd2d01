// Calls for datagrams that Swift's Glibc module does not import (_GNU_SOURCE), or whose control messages are macros.
#define _GNU_SOURCE
#include "capus.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

int apus_receive_datagrams(int fd, uint8_t *memory, uint32_t stride, struct apus_datagram *datagrams, int count) {
    struct mmsghdr messages[APUS_DATAGRAM_BATCH];
    struct iovec vectors[APUS_DATAGRAM_BATCH];
    if (count > APUS_DATAGRAM_BATCH) count = APUS_DATAGRAM_BATCH;
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){.iov_base = memory + (size_t)i * stride, .iov_len = stride};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &datagrams[i].address,
                                                   .msg_namelen = sizeof datagrams[i].address,
                                                   .msg_iov = &vectors[i],
                                                   .msg_iovlen = 1}};
    }
    int received;
    do received = recvmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT, NULL);
    while (received < 0 && errno == EINTR);
    if (received < 0) return -errno;
    for (int i = 0; i < received; i++) {
        datagrams[i].address_length = messages[i].msg_hdr.msg_namelen;
        datagrams[i].offset = (uint32_t)i * stride;
        datagrams[i].length = messages[i].msg_len;
        datagrams[i].is_truncated = messages[i].msg_hdr.msg_flags & MSG_TRUNC;
    }
    return received;
}

int apus_send_datagrams(int fd, const uint8_t *memory, const struct apus_datagram *datagrams, int count) {
    struct mmsghdr messages[APUS_DATAGRAM_BATCH];
    struct iovec vectors[APUS_DATAGRAM_BATCH];
    if (count > APUS_DATAGRAM_BATCH) count = APUS_DATAGRAM_BATCH;
    for (int i = 0; i < count; i++) {
        vectors[i] = (struct iovec){.iov_base = (void *)(memory + datagrams[i].offset), .iov_len = datagrams[i].length};
        messages[i] = (struct mmsghdr){
            .msg_hdr = {.msg_name = datagrams[i].address_length ? (void *)&datagrams[i].address : NULL,
                        .msg_namelen = datagrams[i].address_length,
                        .msg_iov = &vectors[i],
                        .msg_iovlen = 1}};
    }
    int sent;
    do sent = sendmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

int apus_next_delivery_error(int fd, struct apus_delivery_error *error) {
    union {
        struct cmsghdr header;
        char bytes[512];
    } control;
    // A part of the datagram that failed comes along; nobody needs it.
    char byte;
    struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_name = &error->destination,
                             .msg_namelen = sizeof error->destination,
                             .msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t count;
    do count = recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    if (count < 0) return 0;
    error->destination_length = message.msg_namelen;
    error->reporter_length = 0;
    error->code = 0;
    error->is_remote = false;
    for (struct cmsghdr *part = CMSG_FIRSTHDR(&message); part; part = CMSG_NXTHDR(&message, part)) {
        bool is_v4 = part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_RECVERR;
        bool is_v6 = part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_RECVERR;
        if (!is_v4 && !is_v6) continue;
        struct sock_extended_err details;
        memcpy(&details, CMSG_DATA(part), sizeof details);
        error->code = (int32_t)details.ee_errno;
        error->is_remote = details.ee_origin == SO_EE_ORIGIN_ICMP || details.ee_origin == SO_EE_ORIGIN_ICMP6;
        size_t rest = part->cmsg_len - CMSG_LEN(sizeof details);
        if (rest > sizeof error->reporter) rest = sizeof error->reporter;
        // SO_EE_OFFENDER: who has sent the ICMP message.
        memcpy(&error->reporter, CMSG_DATA(part) + sizeof details, rest);
        if (error->reporter.ss_family != AF_UNSPEC) error->reporter_length = (uint32_t)rest;
    }
    return 1;
}

int apus_change_membership(int fd, bool join, const struct sockaddr *group, uint32_t length, uint32_t interface) {
    struct group_req request = {.gr_interface = interface};
    memcpy(&request.gr_group, group, length);
    int level = group->sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
    int name = join ? MCAST_JOIN_GROUP : MCAST_LEAVE_GROUP;
    return setsockopt(fd, level, name, &request, sizeof request) == 0 ? 0 : errno;
}
