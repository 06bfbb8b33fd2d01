# shellcheck shell=bash
# The proxies of scripts/interop: squid (with and without a password, and over TLS), tinyproxy (and haproxy with TLS before it), proxy.py
# over TLS, and microsocks. Sourced by it; uses its functions, $work, $public and $python.

# start_proxies : starts them, and puts NAME=URL of each into the array PROXIES. User and password are me and “p w”; tinyproxy takes no space.
PROXIES=()
start_proxies() {
    local folder="$public/proxies" root="$PEERS/root" squid squid_auth squid_tls tinyproxy front pyproxy socks socks_auth
    [[ -d "$root/usr/share/squid" ]] || root=""
    mkdir -p "$folder"
    chmod 777 "$folder"
    cp "$work/tls/localhost.pem" "$work/tls/server.key" "$folder"
    chmod 644 "$folder/server.key"

    squid="127.0.0.1:$(free_port)" squid_auth="127.0.0.1:$(free_port)" squid_tls="localhost:$(free_port)"
    printf 'me:%s\n' "$(openssl passwd -apr1 'p w')" >"$folder/passwords"
    {
        echo "http_port $squid name=open"
        echo "http_port $squid_auth name=auth"
        echo "https_port 127.0.0.1:${squid_tls#*:} name=tls tls-cert=$folder/localhost.pem tls-key=$folder/server.key"
        echo "auth_param basic program $root/usr/lib/squid/basic_ncsa_auth $folder/passwords"
        echo "acl known proxy_auth REQUIRED"
        echo "acl open myportname open"
        echo "http_access allow open"
        echo "http_access allow known"
        echo "http_access deny all"
        echo "cache deny all"
        echo "access_log none"
        echo "cache_log $folder/squid.log"
        echo "pid_filename none"
        echo "coredump_dir $folder"
        echo "visible_hostname apus"
        echo "pinger_enable off"
        echo "unlinkd_program $root/usr/lib/squid/unlinkd"
        echo "logfile_daemon $root/usr/lib/squid/log_file_daemon"
        echo "sslcrtd_program $root/usr/lib/squid/security_file_certgen"
        echo "shutdown_lifetime 0 seconds"
        echo "mime_table $root/usr/share/squid/mime.conf"
        echo "icon_directory $root/usr/share/squid/icons"
        echo "error_directory $root/usr/share/squid/errors/templates"
        echo "error_log_languages off"
        ((EUID == 0)) && echo "cache_effective_user nobody"
    } >"$folder/squid.conf"
    child "$(peer squid)" -N -f "$folder/squid.conf" >"$folder/squid-output.log" 2>&1
    started "${squid#*:}" "$folder" squid

    tinyproxy="127.0.0.1:$(free_port)" front="localhost:$(free_port)"
    cat >"$folder/tinyproxy.conf" <<END
Port ${tinyproxy#*:}
Listen 127.0.0.1
Timeout 60
MaxClients 50
LogFile "$folder/tinyproxy.log"
BasicAuth me pw
END
    child "$(peer tinyproxy)" -d -c "$folder/tinyproxy.conf" >"$folder/tinyproxy-output.log" 2>&1
    started "${tinyproxy#*:}" "$folder" tinyproxy
    mkdir -p "$work/haproxy-front"
    cat "$work/tls/localhost.pem" "$work/tls/server.key" >"$work/haproxy-front/localhost.pem"
    cat >"$work/haproxy-front/haproxy.cfg" <<END
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen front
    bind 127.0.0.1:${front#*:} ssl crt $work/haproxy-front/localhost.pem
    server one $tinyproxy
END
    child "$(peer haproxy)" -db -f "$work/haproxy-front/haproxy.cfg" >"$work/haproxy-front/haproxy.log" 2>&1
    started "${front#*:}" "$work/haproxy-front" "haproxy before tinyproxy"

    pyproxy="localhost:$(free_port)"
    child "$python" -m proxy --hostname 127.0.0.1 --port "${pyproxy#*:}" --num-workers 1 --num-acceptors 1 --log-level ERROR \
        --cert-file "$folder/localhost.pem" --key-file "$folder/server.key" --basic-auth "me:p w" --data-dir "$folder/proxy.py" \
        >"$folder/proxypy.log" 2>&1
    started "${pyproxy#*:}" "$folder" proxy.py

    socks="127.0.0.1:$(free_port)" socks_auth="127.0.0.1:$(free_port)"
    child "$(peer microsocks)" -i 127.0.0.1 -p "${socks#*:}" >"$folder/microsocks.log" 2>&1
    started "${socks#*:}" "$folder" microsocks
    child "$(peer microsocks)" -i 127.0.0.1 -p "${socks_auth#*:}" -u me -P "p w" >"$folder/microsocks-auth.log" 2>&1
    started "${socks_auth#*:}" "$folder" "microsocks with a password"

    PROXIES=("proxy:squid=http://$squid" "proxy:squid with a password=http://me:p%20w@$squid_auth"
        "proxy:squid over TLS=https://me:p%20w@$squid_tls" "proxy:tinyproxy=http://me:pw@$tinyproxy"
        "proxy:tinyproxy behind haproxy=https://me:pw@$front" "proxy:proxy.py over TLS=https://me:p%20w@$pyproxy"
        "proxy:microsocks=socks5h://$socks" "proxy:microsocks with a password=socks5://me:p%20w@$socks_auth")
}
