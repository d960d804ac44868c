"""proxy_nginx.py: what proxy.py and http_proxy.py share: an nginx on loopback, and curl, which asks it through a
proxy."""
import shutil
import tempfile

from proxy_support import *


def has_nginx():
    if shutil.which('nginx') and shutil.which('curl'):
        return True
    print('    skipped, there is no nginx or no curl')
    return False


def nginx_conf(work, port, body):
    text = f'''daemon off; worker_processes 1; error_log {work}/error{port}.log; pid {work}/pid{port};
events {{}} http {{ access_log off; client_max_body_size 0; client_body_temp_path {work}/body{port}; proxy_temp_path {work}/temp{port};
fastcgi_temp_path {work}/f{port}; uwsgi_temp_path {work}/u{port}; scgi_temp_path {work}/s{port}; keepalive_requests 1000000;
{body} }}'''
    with open(f'{work}/{port}.conf', 'w') as file:
        file.write(text)
    return f'{work}/{port}.conf'


def run_nginx(work, body):
    """nginx on a port that the system gave: bound by it, so that it is tried again if another was faster."""
    for _ in range(5):
        holder, name = free_port()
        port = int(name.rpartition(':')[2])
        holder.close()
        child = subprocess.Popen(['nginx', '-e', f'{work}/error{port}.log', '-c', nginx_conf(work, port, body.replace('PORT', str(port)))],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def is_up():
            try:
                socket.create_connection(('127.0.0.1', port)).close()
                return True
            except ConnectionRefusedError:
                return child.poll() is not None
        until('nginx is up', is_up)
        if child.poll() is None:
            return child, port
    raise AssertionError('nginx does not start')


def run_files(work, size):
    """An nginx with a file of so many random bytes, which takes uploads."""
    with open(f'{work}/big', 'wb') as file:
        file.write(os.urandom(size))
    return run_nginx(work, f'server {{ listen 127.0.0.1:PORT; root {work}; location /put {{ return 200 got; }} }}')


def curl(*arguments):
    return subprocess.run(['curl', '-s', '-m', str(PATIENCE), *arguments], capture_output=True, check=True).stdout


def ask_by_curl(url, work):
    """A file, a part of it, five at once, an upload, and one that is not there."""
    with open(f'{work}/big', 'rb') as file:
        content = file.read()
    assert curl('-f', f'{url}/big') == content
    assert curl('-f', '-r', '1000-1999', f'{url}/big') == content[1000:2000]
    codes = curl('--parallel', '-o', '/dev/null', '-w', '%{http_code}\n', f'{url}/big?[1-5]').split()
    assert codes == [b'200'] * 5, codes
    assert curl('-f', '-T', f'{work}/big', f'{url}/put') == b'got'
    code = curl('-o', '/dev/null', '-w', '%{http_code}', f'{url}/none')
    assert code == b'404', code
